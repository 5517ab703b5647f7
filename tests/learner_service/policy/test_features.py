"""Vision features that are kept: bounded, shared between workers, computed again where damaged."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from learner_service.policy.features import FeatureCache, FeatureFolder, tower_fingerprint

ROW_BYTES = 40


class Tower:
    """Counts what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, digests: list[str]) -> list[Tensor]:
        numbers = [int(digest.removeprefix("sha256:")) for digest in digests]
        self.asked += numbers
        return [torch.full((1, 10), float(number)) for number in numbers]


def test_memory_is_bounded_and_keeps_what_was_used_last():
    cache, tower = FeatureCache(max_bytes=2 * ROW_BYTES), Tower()
    for number in (1, 2, 1, 3, 1, 2):
        [features] = cache.get([str(number)], tower)
        assert features[0, 0] == number
    assert tower.asked == [1, 2, 3, 2]


def test_only_what_is_not_kept_is_made_and_each_image_once():
    cache, tower = FeatureCache(max_bytes=1000), Tower()
    cache.get(["2"], tower)
    features = cache.get(["1", "2", "3", "1"], tower)
    assert [one[0, 0].item() for one in features] == [1, 2, 3, 1]
    assert tower.asked == [2, 1, 3]


def test_a_later_worker_finds_them(tmp_path: Path):
    for _ in range(2):
        tower = Tower()
        cache = FeatureCache(1000, FeatureFolder(tmp_path, 10_000, "tower"))
        [features] = cache.get(["sha256:1"], tower)
        assert features.tolist() == [[1.0] * 10]
    assert tower.asked == []


def test_another_tower_does_not(tmp_path: Path):
    tower = Tower()
    for fingerprint in ("one", "another"):
        cache = FeatureCache(1000, FeatureFolder(tmp_path, 10_000, fingerprint))
        cache.get(["1"], tower)
    assert tower.asked == [1, 1]


def test_a_damaged_file_is_computed_again(tmp_path: Path):
    tower = Tower()
    FeatureCache(0, FeatureFolder(tmp_path, 10_000, "tower")).get(["1"], tower)
    [path] = tmp_path.glob("*/*")
    path.write_bytes(path.read_bytes()[:-8])
    cache = FeatureCache(0, FeatureFolder(tmp_path, 10_000, "tower"))
    for _ in range(2):
        assert cache.get(["1"], tower)[0].shape == (1, 10)
    assert tower.asked == [1, 1]


def test_the_folder_is_bounded_and_other_towers_go_first(tmp_path: Path):
    room = 1000
    FeatureCache(0, FeatureFolder(tmp_path, room, "old")).get(["0"], Tower())
    cache = FeatureCache(0, FeatureFolder(tmp_path, room, "new"))
    for number in range(1, 30):
        cache.get([str(number)], Tower())
        assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= room
    assert not list((tmp_path / "old").iterdir())
    assert (tmp_path / "new" / "29.safetensors").exists()


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    cache = FeatureCache(1000, FeatureFolder(tmp_path / "file", 10_000, "tower"))
    assert cache.get(["1"], Tower())[0][0, 0] == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_fingerprint_is_that_of_weights_precision_and_settings(dtype: torch.dtype):
    torch.manual_seed(1)
    tower = torch.nn.Linear(3, 2).to(dtype)
    before = tower_fingerprint(tower, {"patch": 14})
    assert before == tower_fingerprint(tower, {"patch": 14})
    assert before != tower_fingerprint(tower, {"patch": 16})
    assert before != tower_fingerprint(tower.half(), {"patch": 14})
    tower.to(dtype).weight.data[0, 0] += 1
    assert before != tower_fingerprint(tower, {"patch": 14})
