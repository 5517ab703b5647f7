"""`tally up`: the whole stack on one machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from tally.cli.errors import StackFailed
from tally.cli.show.output import say
from tally.cli.stack.metrics_targets import write_metrics_targets
from tally.cli.stack.ports import check_port_is_free
from tally.cli.stack.services import (
    DEFAULT_MODEL,
    SamplingPlace,
    metrics_addresses,
    plan_services,
    reachable,
    resolve_model,
)
from tally.cli.stack.stack_secret import write_secret
from tally.cli.stack.stop_request import StopRequest, stop_on_signals
from tally.cli.stack.supervisor import Supervisor
from tally.host.locks import InUse, hold

EngineOption = Annotated[
    Literal["auto", "transformers", "vllm"],
    typer.Option(help="What samples: auto is vllm where it is installed and there is a GPU."),
]

RolloutsOption = Annotated[
    SamplingPlace,
    typer.Option(
        help="Who samples: rollout processes (service), or each job by itself, on one copy of the "
        "weights (inside); auto is inside where there is one GPU, else service."
    ),
]


def up(
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The gateway's port.")] = 8000,
    host: Annotated[
        str,
        typer.Option(
            help="The gateway's address; 0.0.0.0 for every interface, which takes a token: "
            "TALLY_GATEWAY_TOKEN, or one that python -m gateway.tokens made."
        ),
    ] = "127.0.0.1",
    data_dir: Annotated[
        Path, typer.Option(file_okay=False, help="Uploads, jobs, results and logs.")
    ] = Path("tally-data"),
    model: Annotated[
        str | None, typer.Option(help="A folder or a name; the small sample policy if unset.")
    ] = None,
    engine: EngineOption = "auto",
    replicas: Annotated[
        int, typer.Option(min=1, help="Rollout processes; with GPUs, one for each that may sample.")
    ] = 1,
    use_4bit: Annotated[
        bool | None,
        typer.Option(
            "--use-4bit/--no-use-4bit",
            help="Whether the rollout processes hold the base in 4 bits; as a job does by default "
            "if unset, where the engine can. Jobs of the other precision say so.",
        ),
    ] = None,
    rollouts: RolloutsOption = "auto",
) -> None:
    """Run every service on this machine until Ctrl-C."""
    check_rollouts(rollouts, engine, replicas)
    chosen = resolve_model(model or DEFAULT_MODEL)
    with (
        stop_on_signals() as request,
        running_stack(
            request,
            data_dir=data_dir,
            model=chosen,
            host=host,
            port=port,
            engine=engine,
            replicas=replicas,
            use_4bit=use_4bit,
            sampling=rollouts,
        ) as stack,
    ):
        say(f"Tally answers at http://{reachable(host)}:{port}; Ctrl-C ends it.")
        stack.run()


def check_rollouts(rollouts: SamplingPlace, engine: str, replicas: int = 1) -> None:
    """Raises StackFailed for what only rollout processes can do."""
    if rollouts == "inside" and (replicas > 1 or engine == "vllm"):
        raise StackFailed(
            "--rollouts inside has no rollout processes: leave --replicas and "
            "--engine vllm out, or take --rollouts service."
        )


@contextmanager
def running_stack(
    request: StopRequest,
    *,
    data_dir: Path,
    model: str,
    host: str,
    port: int,
    engine: str = "auto",
    replicas: int = 1,
    use_4bit: bool | None = None,
    sampling: SamplingPlace = "service",
) -> Iterator[Supervisor]:
    """A stack whose services are all healthy; ended in order on the way out.

    Raises StackFailed, Interrupted.
    """
    check_port_is_free(host, port)
    with _hold(data_dir):
        write_secret(data_dir)
        services = plan_services(
            data_dir=data_dir,
            model=model,
            host=host,
            port=port,
            engine=engine,
            replicas=replicas,
            use_4bit=use_4bit,
            sampling=sampling,
        )
        write_metrics_targets(data_dir, metrics_addresses(services))
        supervisor = Supervisor(
            services,
            data_dir / "logs",
            stopped=request.is_stopped,
            hurried=request.is_hurried,
            report=say,
        )
        say(f"Starting Tally; logs are in {data_dir / 'logs'}")
        try:
            supervisor.start()
            yield supervisor
        finally:
            say("Ending Tally; Ctrl-C again ends it at once.")
            supervisor.stop()


@contextmanager
def _hold(data_dir: Path) -> Iterator[None]:
    """Holds the data folder against a second stack."""
    try:
        with hold(data_dir):
            yield
    except InUse as error:
        message = f"Another stack uses {data_dir}; choose another folder with --data-dir."
        raise StackFailed(message) from error
