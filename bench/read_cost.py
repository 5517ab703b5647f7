"""What a read costs the gateway: CPU time of its process for each request, one after another.

A gateway over a data folder with some ended jobs, one of them with 1,000 steps, is asked on one
connection. With `--beside FOLDER`, the gateway of another checkout is asked in turn with it.
"""

import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, fields
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import httpx

from bench.measure import in_turn, median_ratio
from bench.processes import cpu_seconds
from bench.report import options, print_json, print_table
from bench.waiting import wait_for
from gateway.convert import LearnerEvent
from gateway.database import open_database
from gateway.jobs.job_models import SAMPLES, STEP, Job
from gateway.jobs.job_store import JobStore
from gateway.settings import GatewaySettings
from gateway.times import now
from tally.cli.stack.ports import free_port
from tally.job.metrics import StepMetrics

_HOUSE = Path(__file__).parent.parent
_HOST = "127.0.0.1"
_JOBS = 20
_JOB_ID = str(UUID(int=0))
_PATHS = (
    "/",
    "/healthz",
    "/jobs",
    f"/jobs/{_JOB_ID}",
    f"/jobs/{_JOB_ID}/metrics",
    f"/jobs/{_JOB_ID}/metrics?max_points=100",
    f"/jobs/{_JOB_ID}/samples",
)


def main() -> None:
    parser = options((__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000, help="of the job that is read")
    parser.add_argument("--beside", type=Path, help="another checkout, asked in turn with this one")
    arguments = parser.parse_args()
    requests, repeats = (20, 1) if arguments.quick else (300, 5)
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        houses = {"this": _HOUSE} | ({"beside": arguments.beside} if arguments.beside else {})
        sides = {}
        for name, house in houses.items():
            _write_jobs(folder / name, arguments.steps)
            sides[name] = running.enter_context(_run(house.resolve(), folder / name))
        costs = {path: _measure(sides, path, requests, repeats) for path in _PATHS}
    _print(arguments, requests, {path.replace(_JOB_ID, "…"): one for path, one in costs.items()})


def _print(arguments: Namespace, requests: int, costs: dict[str, dict[str, list[float]]]) -> None:
    sides = list(next(iter(costs.values())))
    rows = [[path, *(median(one[side]) for side in sides)] for path, one in costs.items()]
    columns = ["CPU, ms", *(f"{side} checkout" for side in sides)]
    if arguments.beside:
        columns.append("beside over this")
        for row, one in zip(rows, costs.values(), strict=True):
            row.append(median_ratio(one["beside"], one["this"]))
    print_table(columns, rows)
    settings = {"steps": arguments.steps, "jobs": _JOBS, "requests": requests}
    print_json("read_cost", settings, {"milliseconds": costs})


def _measure(
    sides: dict[str, "_Gateway"], path: str, requests: int, repeats: int
) -> dict[str, list[float]]:
    def ask(gateway: _Gateway) -> Callable[[], float]:
        return lambda: gateway.milliseconds(path, requests)

    return in_turn({name: ask(gateway) for name, gateway in sides.items()}, repeats)


@dataclass(frozen=True)
class _Gateway:
    pid: int
    port: int

    def milliseconds(self, path: str, requests: int) -> float:
        """CPU time for each request. Raises RuntimeError for one that is refused."""
        with closing(HTTPConnection(_HOST, self.port)) as connection:
            before = cpu_seconds(self.pid)
            for _ in range(requests):
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{path} was answered {answer.status}")
            return 1e3 * (cpu_seconds(self.pid) - before) / requests


@contextmanager
def _run(house: Path, data_dir: Path) -> Iterator[_Gateway]:
    port = free_port()
    settings = {
        "TALLY_GATEWAY_PORT": str(port),
        "TALLY_GATEWAY_DATA_DIR": str(data_dir),
        "TALLY_GATEWAY_MAX_REQUESTS_PER_SECOND": "100000",
        "PYTHONPATH": str(house),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway"], cwd=house, env=os.environ | settings
    )
    try:
        wait_for(lambda: process.poll() is not None or _is_served(port))
        yield _Gateway(process.pid, port)
    finally:
        process.terminate()
        process.wait()


def _is_served(port: int) -> bool:
    try:
        return httpx.get(f"http://{_HOST}:{port}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _write_jobs(data_dir: Path, steps: int) -> None:
    data_dir.mkdir()
    with closing(open_database(GatewaySettings(data_dir=data_dir))) as database:
        database.migrate()
        store = JobStore(database)
        for number in range(_JOBS):
            job_id = str(UUID(int=number))
            store.add(
                Job(
                    job_id=job_id,
                    job_name="apples",
                    created_at=now(),
                    spec={"job_name": "apples"},  # of no upload
                    dataset_digest="a" * 64,
                )
            )
        store.append(_JOB_ID, list(_events(steps)))
        for number in range(_JOBS):
            store.end(str(UUID(int=number)), "cancelled")


def _events(steps: int) -> Iterator[LearnerEvent]:
    for step in range(1, steps + 1):
        group = {
            "row": 2,
            "question": "How many apples are in this image?",
            "true_count": 3,
            "answers": [{"text": "A photo of 3 apples", "count": 3, "reward": 1.0}] * 8,
        }
        shown = {"step": step, "groups": [group] * 4}
        measured: dict[str, Any] = {"step": step, "total_steps": steps}
        measured |= {one.name: 0.123456789 / step for one in fields(StepMetrics)}
        for name in ("reward_share_by_component", "reward_mean_by_component"):
            measured[name] = {"progressive_count": 0.5}
        yield LearnerEvent(2 * step - 1, now(), SAMPLES, shown)
        yield LearnerEvent(2 * step, now(), STEP, measured)


if __name__ == "__main__":
    main()
