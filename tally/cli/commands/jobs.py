"""`tally watch`, `jobs`, `job`, `logs`, `cancel`, `download`."""

from pathlib import Path
from typing import Annotated

import typer

from tally.cli.client.api_client import Json
from tally.cli.commands.context import AsJson, JobId, open_client
from tally.cli.files import make_folder
from tally.cli.show.bars import download_with_bar
from tally.cli.show.comparison_tables import print_comparison
from tally.cli.show.output import print_json, print_table, say, say_error
from tally.cli.show.watch import evaluation_of, watch_and_report, watch_as_json


def watch(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Follow a job live until it ends."""
    with open_client(context) as client:
        if as_json:
            watch_as_json(client, job_id)
        else:
            watch_and_report(client, job_id)


def jobs(
    context: typer.Context,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Jobs to list at most; all if unset.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs, the newest first."""
    with open_client(context) as client:
        listed = client.jobs(limit)
    if as_json:
        print_json(listed)
        return
    columns = ["job_id", "job_name", "status", "step", "loss", "created_at"]
    print_table(columns, [_job_row(job) for job in listed])


def job(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job, with the held-out comparison if there is one."""
    with open_client(context) as client:
        shown = client.job(job_id)
        evaluation = evaluation_of(client, shown)
    if as_json:
        print_json(shown | {"evaluation": evaluation})
        return
    print_table(["field", "value"], [[name, value] for name, value in shown.items()])
    if evaluation is not None:
        print_comparison(evaluation)


def logs(
    context: typer.Context,
    job_id: JobId,
    lines: Annotated[
        int,
        typer.Option("--lines", "-n", min=1, max=10_000, help="The last ones, at most so many."),
    ] = 200,
) -> None:
    """Print the end of a job's own log: what its workers said."""
    with open_client(context) as client:
        printed = client.log(job_id, lines)
    if printed:
        say(printed.removesuffix("\n"))
    else:
        say_error(f"{job_id} has no log yet: no worker of it has begun.")


def cancel(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Cancel a job, whose checkpoint is kept; or a comparison."""
    with open_client(context) as client:
        answer = client.cancel(job_id)
    if as_json:
        print_json(answer)
    else:
        say(_describe_cancelled(answer))


def download(
    context: typer.Context,
    job_id: JobId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="JOB_ID.zip if unset.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Download the adapter of a completed job."""
    path = output or Path(f"{job_id}.zip")
    make_folder(path.parent)
    with open_client(context) as client:
        download_with_bar(client, job_id, path)
    if as_json:
        print_json({"job_id": job_id, "path": str(path), "size_bytes": path.stat().st_size})
    else:
        say(f"{path}: {path.stat().st_size:,} bytes")


def _describe_cancelled(job: Json) -> str:
    """A job that has ended stays as it ended."""
    job_id, status = job["job_id"], job["status"]
    if status == "completed":
        return f"{job_id} is completed; there is nothing left to cancel."
    if status == "failed":
        return f"{job_id} has failed already; `tally resume {job_id}` goes on from its checkpoint."
    return f"Cancelled {job_id}. Of a job, `tally resume {job_id}` goes on from its checkpoint."


def _job_row(job: Json) -> list[object]:
    step = f"{job['current_step']}/{job['total_steps']}"
    loss = job.get("loss")
    loss = None if loss is None else f"{loss:z.4f}"
    return [job["job_id"], job["job_name"], job["status"], step, loss, job["created_at"]]
