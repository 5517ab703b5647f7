"""`tally settings`: those there are, or those of a job."""

from dataclasses import asdict
from typing import Annotated

import typer

from tally.cli.commands.completion import complete_job_id
from tally.cli.commands.context import AsJson, open_client
from tally.cli.commands.identifiers import job_id_of
from tally.cli.commands.settings_schema import format_value, settings_of
from tally.cli.show.output import print_json, print_table
from tally.client import Client


def settings(
    context: typer.Context,
    job_id: Annotated[
        str | None,
        typer.Argument(help="A job's instead.", metavar="JOB_ID", autocompletion=complete_job_id),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain every setting of a training; with JOB_ID, show those it was started with."""
    with open_client(context) as client:
        if job_id is None:
            _explain(client, as_json)
        else:
            _show(client, job_id, as_json)


def _explain(client: Client, as_json: bool) -> None:
    known = settings_of(client.openapi())
    if as_json:
        print_json([asdict(one) for one in known])
        return
    rows = [[one.name, format_value(one.default), one.range, one.description] for one in known]
    print_table(["setting", "default", "range", "meaning"], rows)


def _show(client: Client, job_id: str, as_json: bool) -> None:
    body = client.settings(job_id_of(client, job_id))
    if as_json:
        print_json(body)
        return
    rows = []
    for name, value in body.items():
        if isinstance(value, dict):
            rows += [[f"{name}.{inner}", format_value(one)] for inner, one in value.items()]
        else:
            rows.append([name, format_value(value)])
    print_table(["setting", "value"], rows)
