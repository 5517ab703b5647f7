"""What a job holds out is decided once, and taken over with a checkpoint."""

from pathlib import Path

from learner_service.job_folder.split_record import adopt_split, recorded_rows


def never() -> list[int]:
    raise AssertionError("decided already")


def test_it_is_decided_once(tmp_path: Path):
    assert recorded_rows(tmp_path, lambda: [2, 5]) == [2, 5]
    assert recorded_rows(tmp_path, never) == [2, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["held_out.json"]


def test_a_job_that_goes_on_holds_out_the_same(tmp_path: Path):
    earlier, later = tmp_path / "earlier", tmp_path / "later"
    earlier.mkdir()
    later.mkdir()
    recorded_rows(earlier, lambda: [2, 5])
    adopt_split(earlier, later)
    assert recorded_rows(later, never) == [2, 5]


def test_an_earlier_job_that_never_began_leaves_the_choice(tmp_path: Path):
    earlier, later = tmp_path / "earlier", tmp_path / "later"
    earlier.mkdir()
    later.mkdir()
    adopt_split(earlier, later)
    assert recorded_rows(later, lambda: [9]) == [9]
