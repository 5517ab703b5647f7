"""What the shell offers after Tab: ids and settings, as the gateway has them now."""

from collections.abc import Callable

import typer

from tally.cli.answers import contents_of
from tally.cli.commands.settings_schema import describe, settings_of
from tally.cli.errors import CliError
from tally.client import Client, ClientError
from tally.client.gateway_address import DEFAULT_URL
from tally.text.sinks import to_line

# Someone waits at a prompt.
_TIMEOUT_SECONDS = 2.0
Offer = tuple[str, str]


def complete_job_id(context: typer.Context, incomplete: str) -> list[Offer]:
    return _ask_for_offers(context, incomplete, _jobs)


def complete_file_id(context: typer.Context, incomplete: str) -> list[Offer]:
    return _ask_for_offers(context, incomplete, _files)


def complete_comparison_id(context: typer.Context, incomplete: str) -> list[Offer]:
    return _ask_for_offers(context, incomplete, _comparisons)


def complete_prediction_id(context: typer.Context, incomplete: str) -> list[Offer]:
    return _ask_for_offers(context, incomplete, _predictions)


def complete_setting(context: typer.Context, incomplete: str) -> list[Offer]:
    return _ask_for_offers(context, incomplete, _settings)


def complete_preset(context: typer.Context, incomplete: str) -> list[Offer]:
    return _ask_for_offers(context, incomplete, _presets)


def _ask_for_offers(
    context: typer.Context, incomplete: str, ask: Callable[[Client], list[Offer]]
) -> list[Offer]:
    """Nothing where no gateway answers: a shell has no place for an error."""
    options = context.find_root().params
    url, token = options.get("url") or DEFAULT_URL, options.get("token")
    try:
        with Client(url, token, timeout_seconds=_TIMEOUT_SECONDS) as client:
            offers = [(to_line(name), to_line(what)) for name, what in ask(client)]
            return [offer for offer in offers if offer[0].startswith(incomplete)]
    except (CliError, ClientError):
        return []


def _jobs(client: Client) -> list[Offer]:
    return [(job["job_id"], f"{job['job_name']}, {job['status']}") for job in client.jobs()]


def _files(client: Client) -> list[Offer]:
    return [(f["file_id"], f"{f['filename']}, {contents_of(f)}") for f in client.files()]


def _comparisons(client: Client) -> list[Offer]:
    return [(one["evaluation_id"], one["status"]) for one in client.comparisons()]


def _predictions(client: Client) -> list[Offer]:
    return [
        (one["prediction_id"], f"{one['name']}, {one['status']}") for one in client.predictions()
    ]


def _settings(client: Client) -> list[Offer]:
    return [(f"{one.name}=", describe(one)) for one in settings_of(client.openapi())]


def _presets(client: Client) -> list[Offer]:
    return [(name, "") for name in client.presets()]
