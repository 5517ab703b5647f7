"""Preflight's estimate of memory beside one worker and one replica that are there."""

from pathlib import Path

import pytest

from bench.memory import GRID_SHAPES, Measured, run
from bench.memory_case import MemoryCase
from bench.models import SHAPES


@pytest.mark.parametrize("side", ["learner", "replica"])
def test_the_estimate_is_above_what_a_process_takes_and_not_far(
    side: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Mostly libraries, at this size: `python -m bench.memory` measures more."""
    monkeypatch.setitem(GRID_SHAPES, "small", SHAPES["small"])
    case = MemoryCase(side=side, folder="small", side_pixels=112, max_new_tokens=8, lora_r=8)
    (measured,) = run([case], tmp_path)
    assert isinstance(measured, Measured)
    assert 0.95 < measured.share < 1.3
