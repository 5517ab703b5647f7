"""`tally train` and `resume`."""

from typing import Annotated

import typer

from tally.cli.commands.context import AsJson, JobId, open_client
from tally.cli.commands.identifiers import job_id_of
from tally.cli.commands.train_request import (
    Adapter,
    Config,
    Data,
    Evaluate,
    Name,
    Preset,
    Priority,
    Set,
    Tags,
    build_request,
)
from tally.cli.errors import CliError
from tally.cli.show.output import print_json, say
from tally.cli.show.watch import watch_and_report, watch_as_json
from tally.client import Client
from tally.client.answers import TrainRequest

Watch = Annotated[bool, typer.Option("--watch", help="Watch the job until it ends.")]


def train(
    context: typer.Context,
    *,
    data: Data = None,
    name: Name = None,
    preset: Preset = None,
    config: Config = None,
    settings: Set = None,
    evaluate: Evaluate = None,
    priority: Priority = None,
    adapter: Adapter = None,
    tag: Tags = None,
    watch: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Start training."""
    with open_client(context) as client:
        request = build_request(
            client,
            data=data,
            evaluate=evaluate,
            name=name,
            preset=preset,
            config=config,
            settings=settings,
            priority=priority,
            adapter=adapter,
            tags=tag,
        )
        _start(client, request, watch, as_json)


def resume(
    context: typer.Context, job_id: JobId, watch: Watch = False, as_json: AsJson = False
) -> None:
    """Go on with a cancelled or failed job, from its last checkpoint."""
    with open_client(context) as client:
        job_id = job_id_of(client, job_id)
        status = client.job(job_id)["status"]
        if any(one["evaluation_id"] == job_id for one in client.comparisons()):
            raise CliError(f"{job_id} is a comparison; ask for it again with `tally compare`.")
        if status == "training":
            raise CliError(f"Job {job_id} has not ended; `tally watch {job_id}` shows it.")
        if status == "completed":
            raise CliError(f"Job {job_id} is completed, so there is nothing to go on with.")
        request = client.settings(job_id)
        request["resume_from_job_id"], request["fresh"] = job_id, False
        _start(client, request, watch, as_json, f", to go on from {job_id}")


def _start(
    client: Client, request: TrainRequest, watch: bool, as_json: bool, why: str = ""
) -> None:
    answer = client.train(request)
    job_id = answer["job_id"]
    if as_json:
        print_json(answer)
    else:
        say(f"Started job {job_id}{why}")
    if watch and as_json:
        watch_as_json(client, job_id)
    elif watch:
        watch_and_report(client, job_id)
