"""How long a stack needs to be back: the gateway at its REST API, a job at its next step.

Each is killed (SIGKILL) while a job trains on the small policy. A worker's time holds its imports
and the load of the model.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL
from statistics import median

import httpx

from bench.faults.acknowledged import Acknowledged
from bench.faults.processes import send, workers
from bench.faults.running_stack import RunningStack
from bench.faults.user import User
from bench.report import options, print_json, print_table
from bench.waiting import wait_for

# Until what was done before the kill has been told.
_SETTLE_SECONDS = 1.0
_STEPS = 100_000


def main() -> None:
    parser = options((__doc__ or "").splitlines()[0])
    repeats = 1 if parser.parse_args().quick else 5
    with tempfile.TemporaryDirectory() as folder:
        seconds = _measure(Path(folder), repeats)
    rows = [[what, median(taken), max(taken)] for what, taken in seconds.items()]
    print_table(["killed, until it is back", "median, s", "most, s"], rows)
    print_json("recovery", {"repeats": repeats}, {"seconds": seconds})


def _measure(folder: Path, repeats: int) -> dict[str, list[float]]:
    data_dir = folder / "stack"
    data_dir.mkdir()
    stack = RunningStack(data_dir)
    with stack.run():
        user = User(stack.url, folder, Acknowledged())
        job = user.train(user.upload(0), "recovery", variant=0, max_steps=_STEPS)
        wait_for(lambda: _step(stack, job.job_id))
        taken: dict[str, list[float]] = {"gateway": [], "worker": [], "learner": []}
        for _ in range(repeats):
            taken["gateway"].append(
                _seconds(lambda: stack.pid("gateway"), lambda: _is_served(stack))
            )
            for victim, pid in (
                ("worker", lambda: next(iter(workers(data_dir)))),
                ("learner", lambda: stack.pid("learner")),
            ):
                taken[victim].append(_seconds(pid, lambda: _has_new_step(stack, job.job_id)))
        user.ask("DELETE", f"/jobs/{job.job_id}")
        user.close()
    return taken


def _seconds(find_pid: Callable[[], int], watch: Callable[[], Callable[[], bool]]) -> float:
    send(find_pid(), SIGKILL)
    started = time.monotonic()
    time.sleep(_SETTLE_SECONDS)
    wait_for(watch())
    return time.monotonic() - started


def _is_served(stack: RunningStack) -> Callable[[], bool]:
    return lambda: _answer(stack, "/healthz") is not None


def _has_new_step(stack: RunningStack, job_id: str) -> Callable[[], bool]:
    before = _step(stack, job_id)
    return lambda: _step(stack, job_id) > before


def _step(stack: RunningStack, job_id: str) -> int:
    answer = _answer(stack, f"/jobs/{job_id}")
    return int(answer.json()["current_step"]) if answer else 0


def _answer(stack: RunningStack, path: str) -> httpx.Response | None:
    try:
        answer = httpx.get(stack.url + path, timeout=10.0, trust_env=False)
    except httpx.TransportError:
        return None
    return answer if answer.is_success else None


if __name__ == "__main__":
    main()
