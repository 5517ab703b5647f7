"""A row's process: what it noted stays, however it ends, and nothing that it started does."""

import subprocess
from pathlib import Path

import pytest

from bench.gpu import row_process
from bench.gpu.plan import Row
from bench.gpu.record import Figure, Outcome, RowResult
from bench.gpu.row_process import RowProcess
from tests.fakes.processes import alive
from tests.waiting import wait_until

BEFORE = Figure(case="before", says="was measured", numbers={"number": 1})


def run(folder: Path, argument: str, bound_seconds: float = 100) -> RowResult:
    row = Row(name=f"row, {argument}", module="made_up_rows", argument=argument)
    process = RowProcess(folder, rehearse=True, package="tests.bench.gpu")
    return process.run(row, bound_seconds)


def test_a_row_that_ends_is_done(tmp_path: Path):
    result = run(tmp_path, "end")
    assert (result.outcome, result.reason, result.figures) == (Outcome.DONE, "", [BEFORE])


@pytest.mark.parametrize(
    ("argument", "reason"),
    [("crash", "ended by SIGSEGV"), ("raise", "ValueError: what would be right")],
)
def test_one_that_fails_says_why(tmp_path: Path, argument: str, reason: str):
    result = run(tmp_path, argument)
    assert (result.outcome, result.reason) == (Outcome.FAILED, reason)
    assert result.figures == [BEFORE]


def test_one_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch):
    end = row_process._wait

    def wait(process: subprocess.Popen[bytes], bound_seconds: float) -> int | None:
        """The bound is over once the row hangs, however long that took."""
        wait_until((tmp_path / "hangs").exists)
        return end(process, 0.0)

    monkeypatch.setattr(row_process, "_wait", wait)
    result = run(tmp_path, "hang")
    assert (result.outcome, result.reason) == (Outcome.OUT_OF_BOUND, "ended after 100 s")
    assert result.figures == [BEFORE]
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not alive(child))
