"""`tally watch`, `jobs`, `job`, `edit`, `logs`, `cancel`, `download`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tally.cli.answers import Json
from tally.cli.commands.context import AsJson, Checkpoint, JobId, open_client
from tally.cli.commands.identifiers import job_id_of
from tally.cli.files import make_folder
from tally.cli.show.bars import download_with_bar
from tally.cli.show.comparison_tables import print_comparison
from tally.cli.show.output import print_json, print_table, say, say_error
from tally.cli.show.watch import evaluation_of, watch_and_report, watch_as_json
from tally.client.partial_file import Form

JobStatus = Literal["training", "completed", "failed", "cancelled"]


def watch(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Follow a job live until it ends."""
    with open_client(context) as client:
        job_id = job_id_of(client, job_id)
        if as_json:
            watch_as_json(client, job_id)
        else:
            watch_and_report(client, job_id)


def jobs(
    context: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(help="Only those with this in their name, notes or tags, or their id."),
    ] = None,
    *,
    status: Annotated[JobStatus | None, typer.Option(help="Only those that stand so.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only those that have it.")] = None,
    model: Annotated[str | None, typer.Option(help="Only those of this base model.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Jobs to list at most; all if unset.")
    ] = None,
    offset: Annotated[int, typer.Option(min=0, help="Jobs to pass over, the newest.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List the jobs, the newest first."""
    with open_client(context) as client:
        listed = client.jobs(limit, offset, status=status, tag=tag, text=text, model=model)
    if as_json:
        print_json(listed)
        return
    columns = ["job_id", "job_name", "status", "step", "loss", "created_at", "queue", "tags"]
    print_table(columns, [_job_row(job) for job in listed])


def job(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job, with the held-out comparison if there is one."""
    with open_client(context) as client:
        job_id = job_id_of(client, job_id)
        shown = client.job(job_id)
        evaluation = evaluation_of(client, shown)
    if as_json:
        print_json(shown | {"evaluation": evaluation})
        return
    print_table(["field", "value"], [[name, value] for name, value in shown.items()])
    if evaluation is not None:
        print_comparison(evaluation)


def edit(
    context: typer.Context,
    job_id: JobId,
    *,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="One tag more.")] = None,
    untag: Annotated[list[str] | None, typer.Option(help="One of its tags less.")] = None,
    notes: Annotated[str | None, typer.Option(help="A text about it, in place of another.")] = None,
    as_json: AsJson = False,
) -> None:
    """Name, tag or annotate a job, whatever it is doing."""
    with open_client(context) as client:
        job_id = job_id_of(client, job_id)
        tags = None
        if tag or untag:
            less = {one.strip().lower() for one in untag or []}
            tags = [one for one in client.job(job_id)["tags"] if one not in less] + (tag or [])
        changed = client.update_job(job_id, job_name=name, tags=tags, notes=notes)
    if as_json:
        print_json(changed)
    else:
        say(f"{changed['job_name']}: {', '.join(changed['tags']) or 'no tags'}")


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
        job_id = job_id_of(client, job_id)
        printed = client.log(job_id, lines)
    if printed:
        say(printed.removesuffix("\n"))
    else:
        say_error(f"{job_id} has no log yet: no worker of it has begun.")


def cancel(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Cancel a job, whose checkpoint is kept; or a comparison."""
    with open_client(context) as client:
        job_id = job_id_of(client, job_id)
        answer = client.cancel(job_id)
    if as_json:
        print_json(answer)
    else:
        say(_describe_cancelled(answer))


def download(
    context: typer.Context,
    job_id: JobId,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", dir_okay=False, help="JOB_ID.zip, JOB_ID.best.zip and so on if unset."
        ),
    ] = None,
    checkpoint: Checkpoint = "last",
    form: Annotated[
        Form,
        typer.Option(help="merged: the base model, with the adapter in its weights."),
    ] = "adapter",
    as_json: AsJson = False,
) -> None:
    """Download the adapter of a job that has ended, or of its last checkpoint."""
    with open_client(context) as client:
        job_id = job_id_of(client, job_id)
        parts = [job_id, *(one for one in (checkpoint, form) if one not in ("last", "adapter"))]
        path = output or Path(f"{'.'.join(parts)}.zip")
        make_folder(path.parent)
        download_with_bar(client, job_id, path, checkpoint, form)
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
    return (
        f"Cancelled {job_id}. Of a job, `tally resume {job_id}` goes on from its checkpoint, and "
        f"`tally download {job_id}` fetches the adapter of that."
    )


def _job_row(job: Json) -> list[object]:
    step = f"{job['current_step']}/{job['total_steps']}"
    loss = job.get("loss")
    loss = None if loss is None else f"{loss:z.4f}"
    queue = _describe_place(job)
    status = ", ".join(filter(None, (job["status"], job.get("warning"))))
    tags = ", ".join(job.get("tags") or [])
    known = [job["job_id"], job["job_name"], status, step, loss, job["created_at"]]
    return [*known, queue, tags]


def _describe_place(job: Json) -> str | None:
    """'2, about 2025-01-20T10:30:00'; None for a job that does not wait."""
    position, start = job.get("queue_position"), job.get("estimated_start")
    if position is None:
        return None
    return f"{position}, about {start}" if start else str(position)
