"""Whether a machine was a measurement's own (Linux)."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import cpu_seconds_with_ended, seconds_of, started_by

_MOST_FOREIGN_SHARE = 0.1


class BusyMachine(SystemExit):
    """Others computed meanwhile: a ratio of two sides would say more about them."""


@contextmanager
def own_machine() -> Iterator[None]:
    """Raises BusyMachine at its end where other processes took a tenth of the cores' time."""
    machine, own, wall = _machine_seconds(), own_seconds(), time.monotonic()
    yield
    wall = time.monotonic() - wall
    foreign = (_machine_seconds() - machine) - (own_seconds() - own)
    check_share(foreign, wall * len(os.sched_getaffinity(0)))


def check_share(foreign_seconds: float, core_seconds: float) -> None:
    """Raises BusyMachine where others had more than a tenth of `core_seconds`."""
    if foreign_seconds > _MOST_FOREIGN_SHARE * core_seconds:
        raise BusyMachine(
            f"Other processes computed for {foreign_seconds:.0f} of the {core_seconds:.0f} s that "
            "the cores had meanwhile: no ratio is told. Measure again when they have ended."
        )


def _machine_seconds() -> float:
    """Seconds that all cores have computed, for whomever; what a host took away counts, too."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, *others = fields[:8]
    return seconds_of([user, nice, system, *others])


def own_seconds() -> float:
    """Seconds of this process and all that it started, those that have ended among them."""
    return sum(map(cpu_seconds_with_ended, [os.getpid(), *started_by(os.getpid())]))
