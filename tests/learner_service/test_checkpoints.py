from pathlib import Path

import pytest

from learner_service.job_folder import checkpoints


def stage(folder: Path, step: int) -> Path:
    staged = folder / "staging" / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    (staged / "adapter_model.safetensors").write_bytes(b"weights" * step)
    (staged / "trainer_state.json").write_text(f'{{"global_step": {step}}}')
    return staged


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "checkpoints").mkdir()
    for step in (9, 10):
        checkpoints.commit(stage(tmp_path, step), tmp_path / "checkpoints")
    return tmp_path / "checkpoints"


def test_the_last_one_is_found_by_number_not_by_name(folder: Path):
    found = checkpoints.find_last(folder)
    assert (found.step, found.broken) == (10, ())


@pytest.mark.parametrize("damage", [b"", b"weights", b"Weights" * 10])
def test_a_damaged_one_is_passed_over_and_named(folder: Path, damage: bytes):
    (folder / "checkpoint-10" / "adapter_model.safetensors").write_bytes(damage)
    found = checkpoints.find_last(folder)
    assert (found.step, found.broken) == (9, ("checkpoint-10",))


@pytest.mark.parametrize("name", ["manifest.json", "trainer_state.json"])
def test_a_missing_file_breaks_it(folder: Path, name: str):
    (folder / "checkpoint-10" / name).unlink()
    assert checkpoints.find_last(folder).step == 9


def test_without_any_training_starts_from_nothing(tmp_path: Path):
    assert checkpoints.find_last(tmp_path).path is None


def test_a_second_commit_of_a_step_replaces_the_first(folder: Path):
    checkpoints.commit(stage(folder.parent / "again", 10), folder)
    assert checkpoints.find_last(folder).step == 10


def test_prune_keeps_the_newest(folder: Path):
    checkpoints.commit(stage(folder.parent, 11), folder)
    checkpoints.prune(folder, keep=2)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint-10", "checkpoint-11"]


def test_an_adopted_checkpoint_is_whole_without_a_copy(folder: Path, tmp_path: Path):
    (tmp_path / "other").mkdir()
    checkpoints.adopt(folder / "checkpoint-10", tmp_path / "other")
    found = checkpoints.find_last(tmp_path / "other")
    assert found.step == 10
    weights = "adapter_model.safetensors"
    original = (folder / "checkpoint-10" / weights).stat().st_ino
    assert (found.path / weights).stat().st_ino == original
