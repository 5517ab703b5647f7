"""Strikes one victim after another, as a schedule says."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence

from bench.faults.processes import send, workers
from bench.faults.running_stack import RunningStack
from bench.faults.schedule import Blow, Fault, Victim
from bench.waiting import wait_for

_SIGNALS = {
    Blow.KILL: signal.SIGKILL,
    Blow.PAUSE: signal.SIGSTOP,
    Blow.END: signal.SIGTERM,
}
_LONGEST_WAIT_SECONDS = 60.0


class Blows:
    """Counts, by victim and blow, those that hit a process."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self.hit: Counter[tuple[str, str]] = Counter()

    def strike_all(self, schedule: Sequence[Fault], tell: Callable[[str], None]) -> None:
        for number, fault in enumerate(schedule, start=1):
            found = self._strike(fault)
            young = " of a young worker" if fault.at_worker_start else ""
            where = "" if found else ": nobody there"
            tell(f"{number}/{len(schedule)} {fault.blow} {fault.victim}{young}{where}")

    def _strike(self, fault: Fault) -> bool:
        if fault.at_worker_start:
            self._await_young_worker()
        time.sleep(fault.after_seconds)
        pid = wait_for(lambda: self._pid(fault.victim), _LONGEST_WAIT_SECONDS)
        pause = fault.pause_seconds if fault.blow is Blow.PAUSE else None
        found = bool(pid) and send(pid, _SIGNALS[fault.blow], pause)
        if found:
            name = "young worker" if self._is_young(fault) else fault.victim.value
            self.hit[name, fault.blow.value] += 1
        return found

    def _is_young(self, fault: Fault) -> bool:
        return fault.at_worker_start and fault.victim is Victim.WORKER

    def _await_young_worker(self) -> None:
        """Ends the worker there is, so that there will be another."""
        before = set(self._workers())
        for pid in before:
            send(pid, signal.SIGKILL)
        wait_for(lambda: set(self._workers()) - before, _LONGEST_WAIT_SECONDS)

    def _pid(self, victim: Victim) -> int:
        if victim is Victim.WORKER:
            return max(self._workers(), default=0)
        return self._stack.pid(victim.value)

    def _workers(self) -> dict[int, str]:
        return workers(self._stack.data_dir)
