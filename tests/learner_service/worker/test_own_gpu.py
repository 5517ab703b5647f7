"""Which GPU a rank sees, from what torchrun and its surroundings say."""

import os

import pytest

from learner_service.worker.own_gpu import see_own_gpu


@pytest.mark.parametrize(
    ("visible", "rank", "seen"),
    [
        (None, 1, "1"),
        ("4,6", 1, "6"),
        ("GPU-a,GPU-b", 0, "GPU-a"),
        ("4", 1, "4"),  # fewer than ranks: a machine without GPUs of its own
        ("", 0, ""),  # hidden on purpose
    ],
)
def test_a_rank_sees_its_own_alone(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, rank: int, seen: str
):
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible or "")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    see_own_gpu()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen
