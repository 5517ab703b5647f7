from pathlib import Path

import pytest

from learner_service.job_folder.checkpoints import Checkpoints


def stage(folder: Path, step: int) -> Path:
    staged = folder / "staging" / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    (staged / "adapter_model.safetensors").write_bytes(b"weights" * step)
    (staged / "trainer_state.json").write_text(f'{{"global_step": {step}}}')
    return staged


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in (9, 10):
        checkpoints.commit(stage(tmp_path, step))
    return checkpoints


def test_the_last_one_is_found_by_number_not_by_name(checkpoints: Checkpoints):
    found = checkpoints.find_last()
    assert (found.step, found.broken) == (10, ())


@pytest.mark.parametrize("damage", [b"", b"weights", b"Weights" * 10])
def test_a_damaged_one_is_passed_over_and_named(checkpoints: Checkpoints, damage: bytes):
    (checkpoints.path_of(10) / "adapter_model.safetensors").write_bytes(damage)
    found = checkpoints.find_last()
    assert (found.step, found.broken) == (9, ("checkpoint-10",))


@pytest.mark.parametrize("name", ["manifest.json", "trainer_state.json"])
def test_a_missing_file_breaks_it(checkpoints: Checkpoints, name: str):
    (checkpoints.path_of(10) / name).unlink()
    assert checkpoints.find_last().step == 9


@pytest.mark.parametrize("manifest", ["[]", "{}", '{"files": {}}', '{"files": []}', "null", "\0"])
def test_a_manifest_that_lists_nothing_vouches_for_nothing(checkpoints: Checkpoints, manifest: str):
    (checkpoints.path_of(10) / "manifest.json").write_text(manifest)
    assert checkpoints.find_last().step == 9


def test_without_any_training_starts_from_nothing(tmp_path: Path):
    assert Checkpoints(tmp_path).find_last().path is None


def test_a_second_commit_of_a_step_replaces_the_first(checkpoints: Checkpoints, tmp_path: Path):
    checkpoints.commit(stage(tmp_path / "again", 10))
    assert checkpoints.find_last().step == 10


def test_prune_keeps_the_newest(checkpoints: Checkpoints, tmp_path: Path):
    checkpoints.commit(stage(tmp_path, 11))
    checkpoints.prune(keep=2)
    assert sorted(path.name for path in checkpoints.path.iterdir()) == [
        "checkpoint-10",
        "checkpoint-11",
    ]


def test_prune_keeps_the_best_beside_the_newest(checkpoints: Checkpoints, tmp_path: Path):
    checkpoints.commit(stage(tmp_path, 11))
    checkpoints.prune(keep=1, best_step=9)
    assert sorted(path.name for path in checkpoints.path.iterdir()) == [
        "checkpoint-11",
        "checkpoint-9",
    ]
    assert checkpoints.find_last().step == 11
    assert checkpoints.find(9) == checkpoints.path_of(9)
    assert checkpoints.find(10) is None


def test_an_adopted_checkpoint_is_whole_without_a_copy(checkpoints: Checkpoints, tmp_path: Path):
    other = Checkpoints(tmp_path / "other" / "checkpoints")
    other.adopt(checkpoints.path_of(10))
    found = other.find_last()
    assert found.step == 10
    weights = "adapter_model.safetensors"
    original = (checkpoints.path_of(10) / weights).stat().st_ino
    assert (found.path / weights).stat().st_ino == original
