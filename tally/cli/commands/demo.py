"""`tally demo`: from nothing to a trained adapter and a comparison, on this machine."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tally.cli.answers import Json
from tally.cli.commands import demo_settings as settings
from tally.cli.commands.data import describe_upload
from tally.cli.errors import CliError, Interrupted, JobNotCompleted, StackFailed
from tally.cli.show.comparison_tables import print_comparison
from tally.cli.show.output import say
from tally.cli.show.watch import watch_job
from tally.cli.stack.background_task import BackgroundTask
from tally.cli.stack.ports import free_port
from tally.cli.stack.running_stack import (
    EngineOption,
    RolloutsOption,
    check_rollouts,
    running_stack,
)
from tally.cli.stack.services import DEFAULT_MODEL, SamplingPlace
from tally.cli.stack.stop_request import StopRequest, stop_on_signals
from tally.cli.stack.supervisor import Supervisor
from tally.client import Client, ClientError, RequestRefused
from tally.samples.dataset import write_sample_data

_HOST = "127.0.0.1"


def demo(
    data_dir: Annotated[
        Path | None, typer.Option(file_okay=False, help="A temporary folder if unset.")
    ] = None,
    output: Annotated[
        Path, typer.Option(file_okay=False, help="Where adapter.zip and curves.png go.")
    ] = Path("demo-output"),
    engine: EngineOption = "auto",
    rollouts: RolloutsOption = "auto",
    keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary folder.")] = False,
) -> None:
    """Train the small sample policy to count, and compare it with its base."""
    check_rollouts(rollouts, engine)
    _forget_settings()
    output.mkdir(parents=True, exist_ok=True)
    with _data_folder(data_dir, keep) as folder, stop_on_signals() as request:
        try:
            evaluation = _run(folder, output, request, engine, rollouts)
        except (CliError, ClientError):
            _keep_logs(folder, output)
            raise
    print_comparison(evaluation)
    say(f"Wrote {output / 'adapter.zip'} and {output / 'curves.png'}")
    say(summary(evaluation))


def summary(evaluation: Json) -> str:
    """The demo's last line."""
    base, adapter = evaluation["base"]["exact_rate"], evaluation["adapter"]["exact_rate"]
    count = evaluation["num_samples"]
    return f"held-out exact rate: base {base:.2f}, adapter {adapter:.2f}, n={count}"


def _run(
    folder: Path, output: Path, request: StopRequest, engine: str, rollouts: SamplingPlace
) -> Json:
    """→ the held-out comparison. Raises StackFailed with the log of the service at fault."""
    port = free_port()
    with running_stack(
        request,
        data_dir=folder,
        model=DEFAULT_MODEL,
        host=_HOST,
        port=port,
        engine=engine,
        use_4bit=bool(settings.TRAINING_CONFIG["use_4bit"]),
        sampling=rollouts,
    ) as stack:
        url, samples = f"http://{_HOST}:{port}", folder / "samples"
        training = BackgroundTask(lambda: _train(url, samples, output, request))
        try:
            stack.run(until=training.done)
        finally:
            if not training.done():
                _abandon(training, stack, request)
        if not training.done() or request.is_stopped():
            raise Interrupted("Interrupted.")
        return _result(training, stack)


def _train(url: str, sample_folder: Path, output: Path, request: StopRequest) -> Json:
    """What a user would do by hand, over REST."""
    write_sample_data(
        sample_folder,
        training=settings.TRAINING_SCENES,
        held_out=settings.HELD_OUT_SCENES,
        seed=settings.SAMPLE_SEED,
    )
    with Client(url) as client:
        training, held_out = (
            _upload(client, sample_folder / name) for name in ("training_data.zip", "held_out.zip")
        )
        job_id = client.train(
            {
                "job_name": "demo",
                "data_file_id": training,
                "evaluation_file_id": held_out,
                "training_config": settings.TRAINING_CONFIG,
                "lora_config": settings.LORA_CONFIG,
            }
        )["job_id"]
        watch_job(client, job_id, stopped=request.is_stopped)
        client.download(job_id, output / "adapter.zip")
        _draw(client.metrics(job_id)["steps"], output / "curves.png")
        return client.evaluation(job_id)


def _upload(client: Client, path: Path) -> str:
    with path.open("rb") as file:
        answer = client.upload(file, path.name)
    say(describe_upload(answer))
    return str(answer["file_id"])


def _draw(steps: Sequence[Json], path: Path) -> None:
    # matplotlib takes a second to import, and no other command needs it.
    from tally.cli.show.curves import draw_curves  # noqa: PLC0415

    draw_curves(steps, path, title=f"Tally demo: {len(steps)} steps of GRPO")


def _abandon(training: BackgroundTask[Json], stack: Supervisor, request: StopRequest) -> None:
    """Ends the services first: that wakes the training, which then sees that it is to stop."""
    request.ask_once()
    stack.stop()
    training.join(timeout_seconds=5.0)


def _result(training: BackgroundTask[Json], stack: Supervisor) -> Json:
    try:
        return training.result()
    except JobNotCompleted as error:
        if error.log_tail:
            raise
        raise _blame("learner", error, stack) from error
    except RequestRefused as error:
        raise _blame("gateway", error, stack) from error


def _blame(service: str, error: Exception, stack: Supervisor) -> StackFailed:
    tail = next(p.log_tail() for p in stack.processes if p.service.name == service)
    return StackFailed(str(error), service=service, log_tail=tail)


@contextlib.contextmanager
def _data_folder(data_dir: Path | None, keep: bool) -> Iterator[Path]:
    """The folder given, or a temporary one that goes away unless it is to be kept."""
    if data_dir is not None:
        yield data_dir
        return
    folder = Path(tempfile.mkdtemp(prefix="tally-demo-"))
    try:
        yield folder
    finally:
        if keep:
            say(f"The data is kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _forget_settings() -> None:
    """An operator's settings, a database for one, are not the demo's to use."""
    for name in [name for name in os.environ if name.startswith("TALLY_")]:
        del os.environ[name]


def _keep_logs(folder: Path, output: Path) -> None:
    if (folder / "logs").is_dir():
        shutil.copytree(folder / "logs", output / "logs", dirs_exist_ok=True)
        say(f"The logs of the services are in {output / 'logs'}")
