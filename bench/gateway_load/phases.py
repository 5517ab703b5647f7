"""What a gateway and a job did over a stretch of time (Linux)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import fmean

from bench.processes import cpu_seconds, memory_sizes, restart_peak


@dataclass(frozen=True, kw_only=True)
class Phase:
    """The gateway's memory in bytes at the start, at most, and at the end; its CPU time."""

    seconds: float
    steps: int
    cpu_seconds: float
    rest_bytes: int
    peak_bytes: int
    end_bytes: int

    @property
    def steps_per_second(self) -> float:
        return self.steps / self.seconds

    @property
    def growth_bytes(self) -> int:
        return max(0, self.peak_bytes - self.rest_bytes)


class Phases:
    """By name, each once, in the order of time: a rest, a load, a rest, a load, and so on."""

    def __init__(
        self, gateway_pid: int, steps: Callable[[], int], tell: Callable[[str], None]
    ) -> None:
        self._pid = gateway_pid
        self._steps = steps
        self._tell = tell
        self.by_name: dict[str, Phase] = {}

    def pace(self, name: str) -> float:
        """Steps per second of a load over the mean of the rests before and after it, so that a
        machine that drifts does not decide; of a rest over the mean of all rests."""
        rests, loads = list(self.by_name)[::2], list(self.by_name)[1::2]
        if name in loads:
            number = loads.index(name)
            rests = rests[number : number + 2]
        quiet = fmean(self.by_name[one].steps_per_second for one in rests)
        return self.by_name[name].steps_per_second / quiet if quiet else 0.0

    def rest(self, seconds: float) -> None:
        """Measures as long without any load."""
        with self.measure(f"quiet {len(self.by_name) // 2 + 1}"):
            time.sleep(seconds)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Over the block. Raises OSError where the gateway has ended."""
        self._tell(name)
        steps, cpu, started = self._steps(), cpu_seconds(self._pid), time.monotonic()
        rest = memory_sizes(self._pid)["VmRSS"]
        restart_peak(self._pid)
        yield
        sizes = memory_sizes(self._pid)
        seconds, done = time.monotonic() - started, self._steps()
        self.by_name[name] = Phase(
            seconds=seconds,
            steps=done - steps,
            cpu_seconds=cpu_seconds(self._pid) - cpu,
            rest_bytes=rest,
            peak_bytes=sizes["VmHWM"],
            end_bytes=sizes["VmRSS"],
        )
