"""`tally delete`."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from tally.cli.answers import Json, contents_of
from tally.cli.commands.completion import (
    Offer,
    complete_comparison_id,
    complete_file_id,
    complete_job_id,
    complete_prediction_id,
)
from tally.cli.commands.context import AsJson, open_client
from tally.cli.commands.identifiers import (
    comparison_id_of,
    job_id_of,
    prediction_id_of,
    uploaded_id_of,
)
from tally.cli.errors import CliError
from tally.cli.show.output import print_json, say, say_error
from tally.client import Client


class Kind(StrEnum):
    FILE = "file"
    JOB = "job"
    COMPARISON = "comparison"
    PREDICTION = "prediction"


_COMPLETIONS: dict[str, Callable[[typer.Context, str], list[Offer]]] = {
    Kind.FILE: complete_file_id,
    Kind.JOB: complete_job_id,
    Kind.COMPARISON: complete_comparison_id,
    Kind.PREDICTION: complete_prediction_id,
}


_FINDERS: dict[Kind, Callable[[Client, str], str]] = {
    Kind.FILE: uploaded_id_of,
    Kind.JOB: job_id_of,
    Kind.COMPARISON: comparison_id_of,
    Kind.PREDICTION: prediction_id_of,
}


def _complete_id(context: typer.Context, incomplete: str) -> list[Offer]:
    complete = _COMPLETIONS.get(str(context.params.get("kind")))
    return complete(context, incomplete) if complete else []


def delete(
    context: typer.Context,
    kind: Annotated[Kind, typer.Argument(help="What it is.")],
    identifier: Annotated[str, typer.Argument(metavar="ID", autocompletion=_complete_id)],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete an upload; or a job, a comparison or a prediction that has ended."""
    with open_client(context) as client:
        identifier = _FINDERS[kind](client, identifier)
        if not yes:
            _ask(_describe(client, kind, identifier))
        answer = _delete(client, kind, identifier)
    if as_json:
        print_json(answer)
    else:
        say(f"Deleted the {kind} {identifier}.")


def _ask(what: str) -> None:
    say_error(f"{what} is deleted for good.")
    try:
        sure = typer.confirm("Go on?", err=True)
    except typer.Abort:  # nobody is there to be asked
        sure = False
    if not sure:
        raise CliError("Nothing was deleted; --yes deletes without asking.")


def _delete(client: Client, kind: Kind, identifier: str) -> Json:
    if kind is Kind.FILE:
        return client.delete_file(identifier)
    if kind is Kind.JOB:
        return client.delete_job(identifier)
    if kind is Kind.COMPARISON:
        return client.delete_comparison(identifier)
    return client.delete_prediction(identifier)


def _describe(client: Client, kind: Kind, identifier: str) -> str:
    """Raises CliError where there is no such thing."""
    if kind is Kind.FILE:
        file = next((one for one in client.files() if one["file_id"] == identifier), None)
        if file is None:
            raise CliError(f"There is no file {identifier}; `tally files` lists those there are.")
        return f"{file['filename']}, {contents_of(file)},"
    if kind is Kind.JOB:
        job: Json = client.job(identifier)
        return f"{job['job_name']}, {job['status']}, with its adapter and all that it logged,"
    if kind is Kind.COMPARISON:
        return f"The comparison, {client.comparison(identifier)['status']}, with its report,"
    return f"The prediction, {client.prediction(identifier)['status']}, with its answers,"
