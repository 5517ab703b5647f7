"""The measurement of loading: every way loads the model, and says what it took."""

from pathlib import Path

import torch

from bench import base_loading


def test_every_way_loads_and_is_measured(random_policy_path: Path, tmp_path: Path):
    source = str(random_policy_path)
    ways = base_loading._ways(source, torch.float32, tmp_path)
    found = {way: base_loading.measure(way, source, torch.float32, tmp_path) for way in ways}
    held = {way: one.held_bytes for way, one in found.items()}
    whole, packed = held["transformers"], held["transformers, 4 bits"]
    assert packed < whole
    assert all(size == (packed if "4 bits" in way else whole) for way, size in held.items())
    assert all(one.seconds > 0 for one in found.values())
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
