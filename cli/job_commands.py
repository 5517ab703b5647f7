"""`tally train`, `watch`, `jobs`, `job`, `cancel`, `download`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from cli.api_client import ApiClient, Json
from cli.context import AsJson, JobId, open_client
from cli.data_commands import file_id_of
from cli.download import download as fetch
from cli.errors import RequestRefused
from cli.output import error_console, print_comparison, print_json, print_table, say
from cli.train_request import apply_settings, read_config
from cli.watch import watch_and_report, watch_as_json


def train(
    context: typer.Context,
    *,
    data: Annotated[str, typer.Option(metavar="FILE_ID|ZIP", help="What to train on.")],
    name: Annotated[str, typer.Option(help="A name for the job.")] = "counting_model",
    config: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="JSON with training_config, lora_config."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting, such as training_config.num_epochs=3."),
    ] = None,
    evaluate: Annotated[
        str | None,
        typer.Option(metavar="FILE_ID|ZIP", help="Compare base and adapter on this afterwards."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Watch the job until it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start training."""
    request: Json = read_config(config) if config else {}
    apply_settings(request, settings or [])
    with open_client(context) as client:
        request |= {"job_name": name, "data_file_id": file_id_of(client, data)}
        if evaluate:
            request["evaluation_file_id"] = file_id_of(client, evaluate)
        answer = client.train(request)
        _report_start(answer, as_json)
        if watch:
            _watch(client, answer["job_id"], as_json)


def watch(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Follow a job live until it ends."""
    with open_client(context) as client:
        _watch(client, job_id, as_json)


def jobs(context: typer.Context, as_json: AsJson = False) -> None:
    """List the jobs."""
    with open_client(context) as client:
        listed = client.jobs()
    if as_json:
        print_json(listed)
        return
    columns = ["job_id", "job_name", "status", "step", "loss", "created_at"]
    print_table(columns, [_job_row(job) for job in listed])


def job(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job, with the held-out comparison if there is one."""
    with open_client(context) as client:
        shown = client.job(job_id)
        evaluation = _evaluation(client, shown)
    if as_json:
        print_json(shown | {"evaluation": evaluation})
        return
    print_table(["field", "value"], [[name, value] for name, value in shown.items()])
    if evaluation is not None:
        print_comparison(evaluation)


def cancel(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Cancel a job; its checkpoint is kept."""
    with open_client(context) as client:
        answer = client.cancel(job_id)
    if as_json:
        print_json(answer)
    else:
        say(f"Cancelled {job_id}; the same settings and data go on from its checkpoint.")


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
    with open_client(context) as client:
        download_with_bar(client, job_id, path)
    if as_json:
        print_json({"job_id": job_id, "path": str(path), "size_bytes": path.stat().st_size})
    else:
        say(f"{path}: {path.stat().st_size:,} bytes")


def download_with_bar(client: ApiClient, job_id: str, path: Path) -> None:
    """The bar goes to standard error, so that standard output holds the answer alone."""
    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=error_console, transient=True, disable=not error_console.is_terminal
    ) as progress:
        task = progress.add_task("download", total=None)
        fetch(
            client,
            job_id,
            path,
            lambda had, total: progress.update(task, completed=had, total=total),
        )


def _report_start(answer: Json, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        say(f"Started job {answer['job_id']}")


def _watch(client: ApiClient, job_id: str, as_json: bool) -> None:
    if as_json:
        watch_as_json(client, job_id)
    else:
        watch_and_report(client, job_id)


def _job_row(job: Json) -> list[object]:
    step = f"{job['current_step']}/{job['total_steps']}"
    loss = job.get("loss")
    loss = None if loss is None else f"{loss:.4f}"
    return [job["job_id"], job["job_name"], job["status"], step, loss, job["created_at"]]


def _evaluation(client: ApiClient, job: Json) -> Json | None:
    if job["status"] != "completed":
        return None
    try:
        return client.evaluation(job["job_id"])
    except RequestRefused as error:
        if error.status in (404, 409):
            return None
        raise
