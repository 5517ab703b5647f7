"""Keeps the services of one machine running: start, wait, restart, end in order."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from tally.cli.durations import describe_duration
from tally.cli.errors import Interrupted, StackFailed
from tally.cli.stack.service_process import Service, ServiceProcess

_POLL_SECONDS = 0.1


class Supervisor:
    """Runs services in the order given and ends them in the opposite one.

    `stopped` is asked several times a second; `report` hears what happens, a sentence at a time.
    Every method belongs to one thread, which has to live as long as the services.
    """

    def __init__(
        self,
        services: Sequence[Service],
        log_folder: Path,
        *,
        stopped: Callable[[], bool],
        report: Callable[[str], None],
        hurried: Callable[[], bool] = lambda: False,
        grace_seconds: float = 60.0,
        start_seconds: float = 1800.0,
        restarts: int = 5,
        restart_window_seconds: float = 600.0,
    ) -> None:
        log_folder.mkdir(parents=True, exist_ok=True)
        self.processes = [ServiceProcess(s, log_folder / f"{s.name}.log") for s in services]
        self._stopped = stopped
        self._report = report
        self._hurried = hurried
        self._grace_seconds = grace_seconds
        self._start_seconds = start_seconds
        self._restarts = restarts
        self._restart_window_seconds = restart_window_seconds
        self._restarted_at: dict[str, deque[float]] = {s.name: deque() for s in services}

    def start(self) -> None:
        """Starts every service and waits until each is healthy.

        Raises StackFailed where one ends or isn't healthy in time, Interrupted once stopped.
        """
        deadline = time.monotonic() + self._start_seconds
        for process in self.processes:
            process.start()
        for process in self.processes:
            self._wait_until_healthy(process, deadline)
            self._report(f"{process.service.name} is ready")

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Restarts what dies, until `until` or stopped. Raises StackFailed for what keeps dying."""
        while not (until() or self._stopped()):
            for process in self.processes:
                if process.exit_code() is not None:
                    self._restart(process)
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Ends the services, last started first; kills what outlives its grace.

        Once `hurried`, kills the rest at once.
        """
        for process in reversed(self.processes):
            process.ask_to_end()
            if not self._wait_for_end(process):
                self._report(f"{process.service.name} outlived its grace and was killed")
            process.kill_group()

    def _wait_for_end(self, process: ServiceProcess) -> bool:
        """Whether it ended within its grace."""
        deadline = time.monotonic() + self._grace_seconds
        while process.running:
            if self._hurried() or time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS / 2)
        return True

    def _wait_until_healthy(self, process: ServiceProcess, deadline: float) -> None:
        while not process.service.is_healthy():
            self._fail_if_any_ended()
            if self._stopped():
                raise Interrupted("Interrupted.")
            if time.monotonic() > deadline:
                waited = describe_duration(self._start_seconds)
                raise _failure(process, f"was not ready after {waited}")
            time.sleep(_POLL_SECONDS)

    def _fail_if_any_ended(self) -> None:
        for process in self.processes:
            if (code := process.exit_code()) is not None:
                raise _failure(process, f"ended with exit code {code} before it was ready")

    def _restart(self, process: ServiceProcess) -> None:
        code, now = process.exit_code(), time.monotonic()
        times = self._restarted_at[process.service.name]
        while times and now - times[0] > self._restart_window_seconds:
            times.popleft()
        if len(times) >= self._restarts:
            window = describe_duration(self._restart_window_seconds)
            raise _failure(
                process, f"ended with exit code {code} after {self._restarts} restarts in {window}"
            )
        times.append(now)
        self._report(
            f"{process.service.name} ended with exit code {code}; "
            f"restart {len(times)} of {self._restarts}"
        )
        process.kill_group()
        process.start()


def _failure(process: ServiceProcess, what: str) -> StackFailed:
    name = process.service.name
    return StackFailed(f"The {name} service {what}.", service=name, log_tail=process.log_tail())
