"""A day: the rows of a plan, one after another, until the time is up."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from bench.gpu.plan import Row
from bench.gpu.record import Outcome, Record, RowResult


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Seconds left of a day that ends at `end`, by `now`."""

    end: float
    now: Callable[[], float] = time.monotonic

    def seconds_left(self) -> float:
        return self.end - self.now()


def run_day(
    rows: Sequence[Row],
    record: Record,
    clock: Clock,
    run: Callable[[Row, float], RowResult],
    report: Callable[[str], None],
) -> None:
    """Runs what is not done yet, each within its bound; the record is written after every row.

    A row that no time is left for is passed over: a shorter one after it may still fit.
    """
    for row in rows:
        if record.is_done(row.name):
            report(f"{row.name}: done in an earlier run")
            continue
        result = _refuse(row, clock.seconds_left())
        if result is None:
            report(f"{row.name} …")
            result = run(row, min(row.bound_seconds, clock.seconds_left()))
        record.add(result)
        report(f"{row.name}: {result.outcome}, {result.seconds:.0f} s {result.reason}".rstrip())


def _refuse(row: Row, seconds_left: float) -> RowResult | None:
    """None where the row can begin."""
    missing = [name for name in row.needs if not _is_installed(name)]
    if missing:
        return RowResult(
            name=row.name, outcome=Outcome.MISSING, reason=f"not installed: {', '.join(missing)}"
        )
    if seconds_left < row.least_seconds:
        return RowResult(
            name=row.name,
            outcome=Outcome.NO_TIME,
            reason=f"{max(0.0, seconds_left):.0f} s were left, it wants {row.least_seconds:.0f}",
        )
    return None


def _is_installed(name: str) -> bool:
    """A folder of that name, where the command was started, is no package."""
    spec = find_spec(name)
    return spec is not None and spec.origin is not None
