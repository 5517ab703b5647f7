"""A stack, users and blows, and what became of everything."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.faults.acknowledged import Acknowledged
from bench.faults.blows import Blows
from bench.faults.leftovers import leftovers
from bench.faults.observer import Observer
from bench.faults.processes import WorkerWatch, remaining
from bench.faults.running_stack import UNCLAIMED_SECONDS, RunningStack
from bench.faults.schedule import Fault
from bench.faults.user import VARIANTS, User
from bench.faults.verdict import count_differing, judge
from bench.waiting import wait_for

_USERS = 2
_END_SECONDS = 30.0


@dataclass(kw_only=True)
class Outcome:
    """`broken` has how often each promise was, by its name; `left` the paths nobody names."""

    broken: dict[str, int]
    left: list[str]
    hits: dict[str, int]
    jobs: dict[str, int]
    most_live_workers: int
    adapters_that_differ: int
    seconds: float
    findings: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (any(self.broken.values()) or self.left or self.findings)


def run(schedule: Sequence[Fault], seed: int, folder: Path, tell: Callable[[str], None]) -> Outcome:
    """All blows of `schedule` on a stack in `folder`, while jobs run that the seed draws."""
    started = time.monotonic()
    data_dir, acknowledged = folder / "stack", Acknowledged()
    data_dir.mkdir()
    stack, watch = RunningStack(data_dir), WorkerWatch(data_dir)
    observer = Observer(stack.url)
    with (
        stack.run(),
        watch.watching(),
        observer.watching(),
        closing(User(stack.url, folder, acknowledged)) as user,
    ):
        file_id = user.upload(0)
        reference = _train_undisturbed(user, file_id)
        blows = Blows(stack)
        users = _Users(stack.url, folder, acknowledged, file_id, seed)
        blows.strike_all(schedule, tell)
        tell("the jobs that run are waited for")
        users.finish()
        _await_comparisons(user)
        broken = judge(user, acknowledged)
        completed = {job.job_id for job in acknowledged.jobs if job.ended == "completed"}
        tell("what nobody names is to go")
        wait_for(lambda: not leftovers(data_dir, completed), 3 * UNCLAIMED_SECONDS)
    broken["steps_gone_back"] = observer.steps_gone_back
    broken["ends_changed"] = observer.ends_changed
    broken["jobs_with_two_live_workers"] = len(watch.doubled)
    wait_for(lambda: not remaining(data_dir), _END_SECONDS)
    broken["processes_left"] = len(remaining(data_dir))
    statuses = [job.ended for job in acknowledged.jobs]
    return Outcome(
        broken=broken,
        left=leftovers(data_dir, completed),
        hits={" ".join(key): number for key, number in sorted(blows.hit.items())},
        jobs={status: statuses.count(status) for status in sorted(set(statuses))},
        most_live_workers=watch.most,
        adapters_that_differ=count_differing(acknowledged.jobs, reference),
        seconds=time.monotonic() - started,
        findings=acknowledged.findings,
    )


def _train_undisturbed(user: User, file_id: str) -> dict[int, str]:
    """The adapter of each variant, where nothing happens."""
    digests = {}
    for variant in range(len(VARIANTS)):
        job = user.train(file_id, f"undisturbed-{variant}", variant)
        user.follow(job, None)
        digests[variant] = job.adapter_digest
    return digests


def _await_comparisons(user: User) -> None:
    def have_ended() -> bool:
        found: list[dict[str, Any]] = user.ask("GET", "/evaluations").json()
        return all(one["status"] != "running" for one in found)

    wait_for(have_ended, 600.0)


class _Users:
    """Some at once, each with a job after the other until it is over."""

    def __init__(
        self, url: str, folder: Path, acknowledged: Acknowledged, file_id: str, seed: int
    ) -> None:
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._number = 0
        self._acknowledged = acknowledged
        self._users = [
            threading.Thread(
                target=self._run, args=(User(url, folder, acknowledged), file_id, seed)
            )
            for _ in range(_USERS)
        ]
        for user in self._users:
            user.start()

    def _run(self, user: User, file_id: str, seed: int) -> None:
        try:
            while not self._over.is_set():
                user.run(file_id, self._next_number(), seed)
        except Exception as error:
            self._acknowledged.find(f"a user met {type(error).__name__}: {error}")
        finally:
            user.close()

    def _next_number(self) -> int:
        with self._lock:
            self._number += 1
            return self._number

    def finish(self) -> None:
        self._over.set()
        for user in self._users:
            user.join()
