"""`tally rewards`."""

import typer

from tally.cli.commands.context import AsJson, open_client
from tally.cli.show.output import print_json, print_table


def rewards(context: typer.Context, as_json: AsJson = False) -> None:
    """Explain every reward that a training may name."""
    with open_client(context) as client:
        known = client.rewards()
    if as_json:
        print_json(known)
        return
    rows = [
        [
            one["name"],
            one["package"] or "built in",
            f"can't be used: it {one['fault']}" if one["fault"] else one["description"],
        ]
        for one in known
    ]
    print_table(["reward", "package", "meaning"], rows)
