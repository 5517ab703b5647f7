"""`tally compare`, `comparisons`, `comparison`, `report`: base against adapter."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import typer

from tally.cli.answers import Json
from tally.cli.commands.completion import complete_comparison_id, complete_file_id, complete_job_id
from tally.cli.commands.context import (
    AsJson,
    Checkpoint,
    MaxImageSize,
    MaxNewTokens,
    Model,
    open_client,
)
from tally.cli.commands.data import existing_file, file_id_of
from tally.cli.commands.identifiers import comparison_id_of, job_id_of
from tally.cli.commands.saved_reports import ReportKind, save_evaluation
from tally.cli.errors import CliError, Interrupted
from tally.cli.files import make_folder
from tally.cli.show.bars import open_with_bar
from tally.cli.show.comparison_tables import print_comparison, print_details
from tally.cli.show.output import print_fields, print_json, say
from tally.cli.show.watch import watch_comparison
from tally.client import Client

Html = Annotated[Path | None, typer.Option(dir_okay=False, help="Save the page with pictures.")]
Csv = Annotated[Path | None, typer.Option(dir_okay=False, help="Save every answer as a table.")]
Details = Annotated[
    bool, typer.Option("--details", help="Also by count and object, the matrix, the worst images.")
]


def compare(
    context: typer.Context,
    adapter: Annotated[
        str,
        typer.Argument(
            metavar="JOB_ID|ADAPTER.zip",
            help="A job, or an adapter as it was downloaded or as PEFT writes it.",
            autocompletion=complete_job_id,
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE_ID|ZIP",
            help="What to compare on; for a job, what it held out if unset.",
            autocompletion=complete_file_id,
        ),
    ] = None,
    *,
    checkpoint: Checkpoint = "last",
    html: Html = None,
    csv: Csv = None,
    details: Details = False,
    model: Model = None,
    max_image_size: MaxImageSize = None,
    max_new_tokens: MaxNewTokens = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for it; otherwise only ask for it.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Compare an adapter with its base model: figures with intervals, warnings, a report."""
    output = Output(html=html, csv=csv, details=details, as_json=as_json)
    settings = {
        "model": model,
        "max_image_size": max_image_size,
        "max_new_tokens": max_new_tokens,
    }
    with open_client(context) as client:
        if (path := existing_file(adapter)) is not None:
            started = _start_adapter(client, path, data, settings)
        elif any(value is not None for value in settings.values()):
            raise CliError(
                "A job is compared with its own settings; leave --model and --max-… out."
            )
        elif data is None and checkpoint == "best":
            raise CliError("What a job compared itself is its last adapter; name --data.")
        elif data is None:
            _show(client, _of_job(client, job_id_of(client, adapter)), output)
            return
        else:
            which = None if checkpoint == "last" else checkpoint
            started = client.evaluate(job_id_of(client, adapter), file_id_of(client, data), which)
        if wait:
            started = _watch_to_the_end(client, started["evaluation_id"])
        _show(client, started, output)


def comparisons(
    context: typer.Context,
    job: Annotated[
        str | None,
        typer.Option(metavar="JOB_ID", help="Only this job's.", autocompletion=complete_job_id),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the comparisons that were asked for."""
    with open_client(context) as client:
        listed = client.comparisons(job and job_id_of(client, job))
    if as_json:
        print_json(listed)
        return
    names = ["evaluation_id", "job_id", "status", "progress", "created_at"]
    print_fields(names, listed)


def comparison(
    context: typer.Context,
    evaluation_id: Annotated[
        str,
        typer.Argument(metavar="EVALUATION_ID", autocompletion=complete_comparison_id),
    ],
    *,
    html: Html = None,
    csv: Csv = None,
    details: Details = False,
    as_json: AsJson = False,
) -> None:
    """Show a comparison that was asked for; waits until it has ended."""
    output = Output(html=html, csv=csv, details=details, as_json=as_json)
    with open_client(context) as client:
        evaluation_id = comparison_id_of(client, evaluation_id)
        found: Json = client.comparison(evaluation_id)
        if found["status"] != "completed":
            found = _watch_to_the_end(client, evaluation_id)
        _show(client, found, output)


def report(
    context: typer.Context,
    job_id: Annotated[
        str,
        typer.Argument(
            metavar="JOB_ID|EVALUATION_ID",
            help="A job, or a comparison that was asked for.",
            autocompletion=complete_job_id,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", file_okay=False, help="A folder; report-JOB_ID if unset."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Save a comparison: evaluation.html with its pictures, evaluation.csv, evaluation.json."""
    with open_client(context) as client:
        job_id = job_id_of(client, job_id)
        folder = output or Path(f"report-{job_id}")
        paths = [
            save_evaluation(client, job_id, kind, folder / f"evaluation.{kind}")
            for kind in get_args(ReportKind)
        ]
    if as_json:
        print_json({"job_id": job_id, "paths": [str(path) for path in paths]})
    else:
        for path in paths:
            say(f"{path}: {path.stat().st_size:,} bytes")


def _start_adapter(client: Client, path: Path, data: str | None, settings: Json) -> Json:
    if data is None:
        raise CliError("What is it to be compared on? Name it: --data FILE_ID or --data data.zip.")
    file_id = file_id_of(client, data)
    with open_with_bar(path) as file:
        return client.evaluate_adapter(file, path.name, {**settings, "file_id": file_id})


def _of_job(client: Client, job_id: str) -> Json:
    """The comparison that the job made itself, in the form of one that was asked for."""
    found = client.evaluation(job_id)
    own = {"evaluation_id": None, "job_id": job_id, "file_id": found.get("file_id")}
    return {**own, "status": "completed", "error_message": None, "evaluation": found}


def _watch_to_the_end(client: Client, evaluation_id: str) -> Json:
    try:
        watch_comparison(client, evaluation_id)
    except KeyboardInterrupt:
        message = (
            f"The comparison goes on; `tally comparison {evaluation_id}` shows it, "
            f"`tally cancel {evaluation_id}` ends it."
        )
        raise Interrupted(message) from None
    return client.comparison(evaluation_id)


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is wanted of a comparison. Folders are made first: better known before it lasts."""

    html: Path | None
    csv: Path | None
    details: bool
    as_json: bool

    def __post_init__(self) -> None:
        for _, path in self.files():
            make_folder(path.parent)

    def files(self) -> list[tuple[ReportKind, Path]]:
        wanted: tuple[tuple[ReportKind, Path | None], ...] = (
            ("html", self.html),
            ("csv", self.csv),
        )
        return [(kind, path) for kind, path in wanted if path is not None]


def _show(client: Client, found: Json, output: Output) -> None:
    evaluation = found["evaluation"]
    if evaluation is not None:
        for kind, path in output.files():
            save_evaluation(client, found["evaluation_id"] or found["job_id"], kind, path)
    if output.as_json:
        print_json(found)
    elif evaluation is None:
        say(f"Started comparison {found['evaluation_id']}")
    else:
        print_comparison(evaluation)
        if output.details:
            print_details(evaluation)
