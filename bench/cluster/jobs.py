"""Jobs of a cluster, sent over REST and followed to their end by a real gateway."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cluster.plan import Plan, Scale
from bench.cluster.waiting_placement import EVENTS_PER_STEP
from bench.processes import cpu_seconds, resident_bytes
from bench.services import RunningService, run_service
from tally.client import Client
from tally.samples.dataset import write_dataset

_MIB = 1024**2
_SCENES = 4
_OTHER_EVENTS = 2  # of a job: that its worker has started, that it ended
_SETTLED_SECONDS = 2.0
# Each look costs the gateway as much as an event or two of each job.
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of all jobs together; the CPU time is that of each event on its way, in milliseconds.

    `idle_cores` is what both services take while nothing happens and all jobs are written down.
    """

    seconds: float
    ideal_seconds: float
    events: int
    events_per_second: float
    learner_milliseconds_per_event: float
    gateway_milliseconds_per_event: float
    learner_mib: float
    gateway_mib: float
    idle_cores: float


def measure(scale: Scale, plan: Plan) -> Figures:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        learner, gateway = running.enter_context(_services(folder, scale, plan))
        client = running.enter_context(Client(f"http://127.0.0.1:{gateway.port}"))
        path = folder / "scenes.zip"
        write_dataset(path, scenes=_SCENES, seed=3)
        with path.open("rb") as file:
            file_id = client.upload(file, path.name)["file_id"]
        before, started = _cpu(learner, gateway), time.monotonic()
        for number in range(scale.jobs):
            client.train({"job_name": f"job {number}", "data_file_id": file_id})
        while any(job["status"] == "training" for job in client.jobs()):
            time.sleep(_LOOK_SECONDS)
        seconds, after = time.monotonic() - started, _cpu(learner, gateway)
        if failed := {job["error_message"] for job in client.jobs() if job["error_message"]}:
            raise RuntimeError(f"jobs failed: {'; '.join(failed)}")
        events = scale.jobs * (plan.steps * EVENTS_PER_STEP + _OTHER_EVENTS)
        spent = [1e3 * (now - then) / events for now, then in zip(after, before, strict=True)]
        return Figures(
            seconds=seconds,
            ideal_seconds=-(-scale.jobs // scale.gpus) * plan.steps * plan.step_seconds,
            events=events,
            events_per_second=events / seconds,
            learner_milliseconds_per_event=spent[0],
            gateway_milliseconds_per_event=spent[1],
            learner_mib=resident_bytes(learner.pid) / _MIB,
            gateway_mib=resident_bytes(gateway.pid) / _MIB,
            idle_cores=_idle_cores(learner, gateway),
        )


def _cpu(*services: RunningService) -> list[float]:
    return [cpu_seconds(service.pid) for service in services]


def _idle_cores(*services: RunningService) -> float:
    before = sum(_cpu(*services))
    time.sleep(_SETTLED_SECONDS)
    return (sum(_cpu(*services)) - before) / _SETTLED_SECONDS


@contextmanager
def _services(
    folder: Path, scale: Scale, plan: Plan
) -> Iterator[tuple[RunningService, RunningService]]:
    """A learner and a gateway with the reward service behind it."""
    with ExitStack() as running:
        learner = running.enter_context(
            run_service(
                "bench.cluster.learner",
                *(str(scale.gpus), str(plan.steps), str(plan.step_seconds)),
                *("--server.port", "0", "--data-dir", str(folder / "learner")),
            )
        )
        reward = running.enter_context(run_service("reward_service", "--server.port", "0"))
        settings = {
            "TALLY_GATEWAY_PORT": "0",
            "TALLY_GATEWAY_DATA_DIR": str(folder / "gateway"),
            "TALLY_GATEWAY_LEARNER__TARGET": f"127.0.0.1:{learner.port}",
            "TALLY_GATEWAY_REWARD__TARGET": f"127.0.0.1:{reward.port}",
            "TALLY_GATEWAY_MAX_REQUESTS_PER_SECOND": "100000",
        }
        yield learner, running.enter_context(run_service("gateway", variables=settings))
