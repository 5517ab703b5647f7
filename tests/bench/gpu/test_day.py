"""The order of the rows, the time of the day, and what a missing package costs."""

from pathlib import Path

import pytest

from bench.gpu.day import Clock, run_day
from bench.gpu.plan import Row, plan
from bench.gpu.record import Outcome, Record, RowResult


class Machine:
    """Runs rows in no time; each takes as many seconds of its own clock as `takes` says."""

    def __init__(self, takes: float = 10.0) -> None:
        self.seconds = 0.0
        self.ran: list[tuple[str, float]] = []
        self._takes = takes

    def run(self, row: Row, bound_seconds: float) -> RowResult:
        self.ran.append((row.name, bound_seconds))
        self.seconds += self._takes
        return RowResult(name=row.name, outcome=Outcome.DONE, seconds=self._takes)


def row(name: str, **changes: object) -> Row:
    return Row(**{"name": name, "module": "any", "least_seconds": 5, "bound_seconds": 60} | changes)


def run(rows: list[Row], folder: Path, machine: Machine, *, day_seconds: float = 1000) -> Record:
    record = Record(folder, rehearsed=True)
    clock = Clock(end=machine.seconds + day_seconds, now=lambda: machine.seconds)
    run_day(rows, record, clock, machine.run, lambda text: None)
    return record


def outcomes(record: Record) -> dict[str, Outcome]:
    return {result.name: result.outcome for result in record.results}


def test_exactness_of_every_family_comes_before_any_figure_of_speed():
    names = [row.name for row in plan(["one", "other"])]
    assert names == [
        "machine",
        "exactness one",
        "exactness other",
        "learner, bfloat16",
        "learner beside TRL, bfloat16",
        "learner, nf4",
        "learner beside TRL, nf4",
        "step, bfloat16",
        "card of 8 GB",
        "demo",
    ]


def test_no_row_may_begin_that_its_own_bound_would_end():
    assert all(row.least_seconds < row.bound_seconds for row in plan())


def test_a_rows_bound_is_what_is_left_of_the_day(tmp_path: Path):
    machine = Machine(takes=50)
    run([row("first"), row("second")], tmp_path, machine, day_seconds=80)
    assert machine.ran == [("first", 60), ("second", 30)]


def test_a_shorter_row_still_fits_where_a_longer_one_does_not(tmp_path: Path):
    machine = Machine(takes=50)
    rows = [row("first"), row("long", least_seconds=40), row("short")]
    record = run(rows, tmp_path, machine, day_seconds=80)
    assert outcomes(record) == {
        "first": Outcome.DONE,
        "long": Outcome.NO_TIME,
        "short": Outcome.DONE,
    }
    assert "30 s were left, it wants 40" in record.table()


def test_a_missing_package_costs_its_row_and_is_named(tmp_path: Path):
    rows = [row("wants", needs=("json", "no_such_package", "nor_this")), row("goes on")]
    record = run(rows, tmp_path, Machine())
    assert outcomes(record) == {"wants": Outcome.MISSING, "goes on": Outcome.DONE}
    assert "not installed: no_such_package, nor_this" in record.table()


def test_table_and_json_are_written_after_every_row(tmp_path: Path):
    seen = []

    class CutOff(Machine):
        def run(self, row: Row, bound_seconds: float) -> RowResult:
            seen.append([name for name in ("row 1", "row 2") if is_written(name, tmp_path)])
            if row.name == "row 3":
                raise KeyboardInterrupt
            return super().run(row, bound_seconds)

    with pytest.raises(KeyboardInterrupt):
        run([row("row 1"), row("row 2"), row("row 3")], tmp_path, CutOff())
    assert seen == [[], ["row 1"], ["row 1", "row 2"]]


def is_written(name: str, folder: Path) -> bool:
    files = [folder / "gpu.md", folder / "gpu.json"]
    return all(file.exists() and name in file.read_text() for file in files)


def test_a_later_run_goes_on_with_what_is_not_done(tmp_path: Path):
    machine = Machine()
    run([row("done"), row("late", least_seconds=100)], tmp_path, machine, day_seconds=50)
    record = run([row("done"), row("late", least_seconds=100)], tmp_path, machine)
    assert [name for name, _ in machine.ran] == ["done", "late"]
    assert outcomes(record) == {"done": Outcome.DONE, "late": Outcome.DONE}
