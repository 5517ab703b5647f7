"""A base as it comes into memory: from its files, quantised, and from what was kept of that."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForImageTextToText

from tally.families.family import Family
from tally.families.registry import read_config
from tally.weights import base_loading
from tally.weights.base_loading import BaseLoading
from tally.weights.kept_bases import KeptBases

ROOT = Path(__file__).parents[3]
PRECISIONS = [(torch.float32, False), (torch.float32, True), (torch.bfloat16, True)]


def family(path: Path) -> Family:
    return read_config(str(path))[1]


def load(
    path: Path,
    kept: Path | None = None,
    dtype: torch.dtype = torch.float32,
    *,
    use_4bit: bool = True,
) -> nn.Module:
    loading = BaseLoading(
        source=str(path),
        device="cpu",
        dtype=dtype,
        use_4bit=use_4bit,
        kept=KeptBases(kept, 10**9) if kept else None,
    )
    return loading.load(family(path))


def assert_the_same(one: nn.Module, other: nn.Module) -> None:
    """Bit for bit, buffers that no file holds as well."""
    states = (one.state_dict(), other.state_dict())
    assert states[0].keys() == states[1].keys()
    buffers = (dict(one.named_buffers()), dict(other.named_buffers()))
    for first, second in (states, buffers):
        for name, tensor in first.items():
            assert tensor.dtype == second[name].dtype, name
            assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize(("dtype", "use_4bit"), PRECISIONS)
def test_it_is_what_transformers_loads(small_model_path: Path, dtype: torch.dtype, use_4bit: bool):
    ours = load(small_model_path, None, dtype, use_4bit=use_4bit)
    theirs = AutoModelForImageTextToText.from_pretrained(
        small_model_path,
        dtype=dtype,
        device_map={"": "cpu"},
        quantization_config=family(small_model_path).nf4(dtype) if use_4bit else None,
    )
    assert_the_same(ours, theirs)
    assert not ours.training
    assert not any(parameter.requires_grad for parameter in ours.parameters())
    assert ours.generation_config.to_dict() == theirs.generation_config.to_dict()
    assert ours.name_or_path == str(small_model_path)


def test_what_is_kept_has_the_same_bits(small_model_path: Path, tmp_path: Path):
    quantised = load(small_model_path)
    first = load(small_model_path, tmp_path)
    [file] = tmp_path.glob("*.safetensors")
    written = file.stat().st_ino
    again = load(small_model_path, tmp_path)
    assert [one.stat().st_ino for one in tmp_path.glob("*.safetensors")] == [written]
    for model in (first, again):
        assert_the_same(model, quantised)
    assert again.name_or_path == str(small_model_path)


def test_only_adapted_layers_are_in_4_bits(small_model_path: Path, tmp_path: Path):
    load(small_model_path, tmp_path)
    for model in (load(small_model_path), load(small_model_path, tmp_path)):
        layers = {name: one for name, one in model.named_modules() if isinstance(one, nn.Linear)}
        packed = {name for name, one in layers.items() if isinstance(one, Linear4bit)}
        adapted = {
            name for name in layers if re.fullmatch(family(small_model_path).lora_targets, name)
        }
        assert packed == adapted
        assert 0 < len(packed) < len(layers)


def test_a_float32_base_that_came_in_bfloat16_is_kept_in_bfloat16(
    random_policy_path: Path, tmp_path: Path
):
    halved = tmp_path / "halved"
    shutil.copytree(random_policy_path, halved)
    AutoModelForImageTextToText.from_pretrained(
        random_policy_path, dtype=torch.bfloat16
    ).save_pretrained(halved)
    first, again = (load(halved, tmp_path / "kept") for _ in range(2))
    assert_the_same(first, again)
    [file] = (tmp_path / "kept").glob("*.safetensors")
    held = {name: tensor.dtype for name, tensor in load_file(file).items()}
    norms = {dtype for name, dtype in held.items() if "norm" in name}
    scales = {dtype for name, dtype in held.items() if "absmax" in name}
    assert (norms, scales) == ({torch.bfloat16}, {torch.float32})


def test_as_it_is_stored_nothing_is_copied(random_policy_path: Path, tmp_path: Path):
    halved = tmp_path / "halved"
    shutil.copytree(random_policy_path, halved)
    AutoModelForImageTextToText.from_pretrained(
        random_policy_path, dtype=torch.bfloat16
    ).save_pretrained(halved)
    loading = BaseLoading(source=str(halved), device="cpu", dtype=torch.float32, use_4bit=False)
    stored = loading.load_as_stored()
    assert_the_same(stored, load(halved, dtype=torch.bfloat16, use_4bit=False))
    places = [
        [int(end, 16) for end in line.split()[0].split("-")]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if line.endswith(str(halved / "model.safetensors"))
    ]
    for name, weight in stored.named_parameters():
        assert any(first <= weight.data_ptr() < end for first, end in places), name


def test_other_weights_settings_or_versions_are_another_base(
    random_policy_path, tmp_path, monkeypatch
):
    copy, kept = tmp_path / "copy", tmp_path / "kept"
    shutil.copytree(random_policy_path, copy)
    load(copy, kept)
    load(copy, kept, torch.bfloat16)
    assert len(list(kept.glob("*.safetensors"))) == 2
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    changed = load(copy, kept)
    assert len(list(kept.glob("*.safetensors"))) == 3
    assert_the_same(changed, load(copy))
    monkeypatch.setattr(base_loading, "version", lambda name: f"another {name}")
    load(copy, kept)
    assert len(list(kept.glob("*.safetensors"))) == 4


def test_a_damaged_one_is_quantised_anew(random_policy_path: Path, tmp_path: Path):
    load(random_policy_path, tmp_path)
    [file] = tmp_path.glob("*.safetensors")
    os.truncate(file, file.stat().st_size - 100)
    assert_the_same(load(random_policy_path, tmp_path), load(random_policy_path))
    assert_the_same(load(random_policy_path, tmp_path), load(random_policy_path))


def test_a_checkpoint_in_parts_is_loaded(random_policy_path: Path, tmp_path: Path):
    whole = load(random_policy_path, use_4bit=False)
    shutil.copytree(random_policy_path, tmp_path / "parts")
    (tmp_path / "parts" / "model.safetensors").unlink()
    AutoModelForImageTextToText.from_pretrained(random_policy_path).save_pretrained(
        tmp_path / "parts", max_shard_size="1MB"
    )
    index = json.loads((tmp_path / "parts" / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    assert_the_same(load(tmp_path / "parts", use_4bit=False), whole)
    assert_the_same(load(tmp_path / "parts"), load(random_policy_path))


def test_a_folder_without_weights_says_what_it_lacks(random_policy_path: Path, tmp_path: Path):
    shutil.copy(random_policy_path / "config.json", tmp_path)
    with pytest.raises(
        OSError, match=r"neither model.safetensors nor model.safetensors.index.json"
    ):
        load(tmp_path)


RACER = """
import hashlib, sys
from tally import torch_compat; torch_compat.install()
from pathlib import Path
import torch
from tally.families.registry import read_config
from tally.weights.base_loading import BaseLoading
from tally.weights.kept_bases import KeptBases

source, folder = sys.argv[1:]
loading = BaseLoading(
    source=source,
    device="cpu",
    dtype=torch.float32,
    use_4bit=True,
    kept=KeptBases(Path(folder), 10**9),
)
digest = hashlib.sha256()
_, family = read_config(source)
model = loading.load(family)
for name, tensor in model.state_dict().items():
    digest.update(name.encode() + tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
print(digest.hexdigest())
"""


def test_processes_that_race_load_the_same(random_policy_path: Path, tmp_path: Path):
    command = [sys.executable, "-c", RACER, random_policy_path]
    racers = [
        subprocess.Popen([*command, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(2)
    ]
    printed = [racer.communicate()[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    assert printed[0] == printed[1]
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert list(tmp_path.glob("*.part")) == []
