"""Processes of a stack as Linux shows them: the workers of jobs, and what outlives its stack."""

import os
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from bench.watching import watching

_PROGRAM = b"learner_service.worker.start"
_LOOK_SECONDS = 0.1


def workers(data_dir: Path) -> dict[int, str]:
    """Process ids of the stack's workers, with the job of each."""
    found = {}
    for pid, arguments in _processes():
        if _PROGRAM in arguments and b"worker" in arguments:
            folder = Path(os.fsdecode(arguments[arguments.index(b"worker") + 1]))
            if folder.is_relative_to(data_dir.resolve()):
                found[pid] = folder.name
    return found


def remaining(data_dir: Path) -> list[int]:
    """Processes that name the folder in their arguments or in their environment."""
    name = os.fsencode(data_dir.resolve())
    found = []
    for pid, arguments in _processes():
        with suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            if pid != os.getpid() and (name in environment or name in b"\0".join(arguments)):
                found.append(pid)
    return found


def send(pid: int, number: signal.Signals, again_after_seconds: float | None = None) -> bool:
    """Sends the signal, and SIGCONT later where that is said; False where there is no process."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False

    def go_on() -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGCONT)
        os.close(descriptor)

    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, number)
    timer = threading.Timer(again_after_seconds or 0.0, go_on)
    timer.daemon = True
    timer.start()
    return True


class WorkerWatch:
    """Counts the workers of each job that have begun their work: that have torch in memory."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.most = 0
        self.doubled: set[str] = set()

    def watching(self) -> AbstractContextManager[None]:
        """Looks while the block runs."""
        return watching(self._look, _LOOK_SECONDS)

    def _look(self) -> None:
        pids_by_job = defaultdict(list)
        for pid, job_id in workers(self._data_dir).items():
            if _has_torch(pid):
                pids_by_job[job_id].append(pid)
        # Looked at once more: the first of two may have ended before the second was seen.
        for job_id, pids in pids_by_job.items():
            alive = sum(map(_has_torch, pids))
            self.most = max(self.most, alive)
            if alive > 1:
                self.doubled.add(job_id)


def _processes() -> Iterator[tuple[int, list[bytes]]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), Path(entry.path, "cmdline").read_bytes().split(b"\0")


def _has_torch(pid: int) -> bool:
    with suppress(OSError):
        return b"libtorch" in Path(f"/proc/{pid}/maps").read_bytes()
    return False
