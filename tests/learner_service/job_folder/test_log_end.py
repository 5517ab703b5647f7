"""The end of a worker's log: bounded, in whole lines, and text whatever was printed."""

from pathlib import Path

import pytest

from learner_service.job_folder.log_end import last_lines
from tally.rpc.errors import InvalidArgument


def printed(folder: Path, data: bytes) -> Path:
    path = folder / "worker.log"
    path.write_bytes(data)
    return path


def test_the_last_lines_are_whole(tmp_path: Path):
    path = printed(tmp_path, b"one\ntwo\n\nthree\n")
    assert last_lines(path, 2) == "two\nthree\n"
    assert last_lines(path, 10_000) == "one\ntwo\nthree\n"


def test_a_worker_that_has_not_begun_has_none(tmp_path: Path):
    assert last_lines(tmp_path / "worker.log", 5) == ""


def test_what_is_printed_is_text(tmp_path: Path):
    path = printed(tmp_path, b"a\x1b[2J\n 10%\r 50%\r100%\r\n" + "蘋果\u202e\n".encode() + b"\xff")
    assert last_lines(path, 9).splitlines() == ["a\ufffd[2J", "100%", "蘋果\ufffd", "\ufffd"]


def test_a_log_without_end_costs_a_mebibyte(tmp_path: Path):
    path = printed(tmp_path, b"x" * 100 + b"\n" + b"y" * 1023 * 1024 + b"\nlast\n" + b"z" * 2000)
    assert last_lines(path, 10_000).splitlines() == ["last", "z" * 2000]
    path = printed(tmp_path, b"\n" + b"y" * 3 * 1024**2)
    assert last_lines(path, 10_000) == "y" * 1024**2 + "\n"


@pytest.mark.parametrize("most", [0, 10_001, 2**32 - 1])
def test_a_number_out_of_range_is_refused(tmp_path: Path, most: int):
    with pytest.raises(InvalidArgument, match="max_lines: expected 1 to 10000"):
        last_lines(printed(tmp_path, b"one\n"), most)
