"""`tally models`."""

import typer

from tally.cli.answers import Json
from tally.cli.commands.context import AsJson, open_client
from tally.cli.show.output import print_json, print_table


def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the base models, with what they may be used for."""
    with open_client(context) as client:
        listed = client.models()
    if as_json:
        print_json(listed)
        return
    print_table(["name", "family", "parameters", "licence"], [_row(model) for model in listed])


def _row(model: Json) -> list[object]:
    name = f"{model['name']} (default)" if model["is_default"] else model["name"]
    parameters = model["parameters"]
    size = f"{parameters / 1e9:.3g} billion" if parameters else None
    return [name, model["family"], size, _describe_licence(model["licence"])]


def _describe_licence(licence: Json | None) -> str:
    if licence is None:
        return "see its own card"
    title = str(licence["title"])
    return f"{title}: research only" if licence["is_for_research_only"] else title
