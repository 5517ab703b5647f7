"""What a job holds out is decided once, and taken over with a checkpoint."""

from pathlib import Path

import pytest

from learner_service.job_folder.split_record import SplitRecord


@pytest.fixture
def record(tmp_path: Path) -> SplitRecord:
    return SplitRecord(tmp_path / "held_out.json")


def never() -> list[int]:
    raise AssertionError("decided already")


def test_it_is_decided_once(record: SplitRecord, tmp_path: Path):
    assert record.rows(lambda: [2, 5]) == [2, 5]
    assert record.rows(never) == [2, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["held_out.json"]


def test_a_job_that_goes_on_holds_out_the_same(record: SplitRecord, tmp_path: Path):
    later = SplitRecord(tmp_path / "later.json")
    record.rows(lambda: [2, 5])
    later.adopt(record)
    assert later.rows(never) == [2, 5]


def test_an_earlier_job_that_never_began_leaves_the_choice(record: SplitRecord, tmp_path: Path):
    later = SplitRecord(tmp_path / "later.json")
    later.adopt(record)
    assert later.rows(lambda: [9]) == [9]
