"""Merged weights against PEFT's merge_and_unload, tensor by tensor, and as they answer."""

import io
import json
import zipfile
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from learner_service.merging import merged_file
from learner_service.merging.merged_model import MergedModel
from learner_service.models import read_supported
from tally.rpc.errors import FailedPrecondition


def save_adapter(base: Path, folder: Path, rank: int = 4) -> None:
    """One that changes answers, as PEFT saves it, with what else an output folder has."""
    _, family = read_supported(str(base))
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=family.lora_targets)
    torch.manual_seed(5)
    model = get_peft_model(load(base), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(str(folder))
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        (folder / name).write_bytes((base / name).read_bytes())


def load(folder: Path, dtype: torch.dtype | str = "auto") -> torch.nn.Module:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype)


def write_merged(base: Path, output: Path, folder: Path) -> None:
    _, family = read_supported(str(base))
    blocks = MergedModel(str(base), family, output, "# card").zip_blocks()
    zipfile.ZipFile(io.BytesIO(b"".join(blocks))).extractall(folder)


def peft_merged(base: Path, output: Path) -> torch.nn.Module:
    return PeftModel.from_pretrained(load(base), output).merge_and_unload()


@pytest.fixture
def output(small_model_path: Path, tmp_path: Path) -> Path:
    save_adapter(small_model_path, tmp_path / "output")
    return tmp_path / "output"


def test_each_tensor_is_as_peft_merges_it(small_model_path: Path, output: Path, tmp_path: Path):
    write_merged(small_model_path, output, tmp_path / "merged")
    merged = load(tmp_path / "merged").state_dict()
    expected = peft_merged(small_model_path, output).state_dict()
    base = load(small_model_path).state_dict()
    assert merged.keys() == expected.keys() == base.keys()
    changed = [name for name in merged if not torch.equal(merged[name], base[name])]
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-6, atol=1e-6)
    _, family = read_supported(str(small_model_path))
    layers = len(family.language_model(load(small_model_path)).layers)
    assert len(changed) == layers * len(family.projections.names)


def test_a_folder_with_all_that_loads_it(small_model_path: Path, output: Path, tmp_path: Path):
    write_merged(small_model_path, output, tmp_path / "merged")
    found = {path.name for path in (tmp_path / "merged").iterdir()}
    assert found >= {
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
    }
    assert not found & {"adapter_config.json", "adapter_model.safetensors"}
    assert (tmp_path / "merged" / "README.md").read_text() == "# card"


def test_shards_and_bfloat16_stay_what_they_are(random_policy_path: Path, tmp_path: Path):
    base = tmp_path / "base"
    load(random_policy_path, torch.bfloat16).save_pretrained(base, max_shard_size="1MB")
    for path in random_policy_path.glob("*"):
        if path.suffix != ".safetensors" and not (base / path.name).exists():
            (base / path.name).write_bytes(path.read_bytes())
    save_adapter(base, tmp_path / "output")
    write_merged(base, tmp_path / "output", tmp_path / "merged")
    shards = sorted(path.name for path in base.glob("*.safetensors"))
    assert len(shards) > 1
    assert sorted(path.name for path in (tmp_path / "merged").glob("*.safetensors")) == shards
    index = "model.safetensors.index.json"
    assert (tmp_path / "merged" / index).read_bytes() == (base / index).read_bytes()
    merged = load(tmp_path / "merged").state_dict()
    for name, expected in peft_merged(base, tmp_path / "output").state_dict().items():
        assert merged[name].dtype == torch.bfloat16
        torch.testing.assert_close(merged[name], expected, rtol=2**-6, atol=1e-3)


def test_little_of_a_weight_is_in_memory_at_once(
    random_policy_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    save_adapter(random_policy_path, tmp_path / "output")
    write_merged(random_policy_path, tmp_path / "output", tmp_path / "whole")
    monkeypatch.setattr(merged_file, "_NUMBERS_AT_ONCE", 300)
    monkeypatch.setattr(merged_file, "_CHUNK_BYTES", 1000)
    _, family = read_supported(str(random_policy_path))
    model = MergedModel(str(random_policy_path), family, tmp_path / "output", "# card")
    [weights] = model._weight_files
    blocks = list(merged_file.merged_blocks(weights, model._added))
    assert max(map(len, blocks)) <= 4 * 384  # a row of the widest layer
    (tmp_path / "in_rows").write_bytes(b"".join(blocks))
    whole = load_file(tmp_path / "whole" / "model.safetensors")
    for name, tensor in load_file(tmp_path / "in_rows").items():
        torch.testing.assert_close(tensor, whole[name], rtol=1e-6, atol=1e-6)


@pytest.fixture
def broken(random_policy_path: Path, tmp_path: Path) -> Path:
    """The output folder of an adapter, to be changed."""
    save_adapter(random_policy_path, tmp_path / "output")
    return tmp_path / "output"


def test_an_adapter_of_layers_that_the_base_lacks_is_refused(
    random_policy_path: Path, broken: Path
):
    _, family = read_supported(str(random_policy_path))
    path = broken / "adapter_model.safetensors"
    moved = {
        name.replace("layers.3.", "layers.9."): tensor for name, tensor in load_file(path).items()
    }
    save_file(moved, path)
    with pytest.raises(FailedPrecondition, match=r"hold no layers\.9\.mlp\.down_proj\.weight"):
        MergedModel(str(random_policy_path), family, broken, "# card")


def test_an_adapter_of_another_size_is_refused(random_policy_path: Path, broken: Path):
    _, family = read_supported(str(random_policy_path))
    path = broken / "adapter_model.safetensors"
    halved = {
        name: tensor[:, : tensor.shape[1] // 2].contiguous() if "lora_A" in name else tensor
        for name, tensor in load_file(path).items()
    }
    save_file(halved, path)
    with pytest.raises(FailedPrecondition, match="in full precision to merge an adapter into"):
        MergedModel(str(random_policy_path), family, broken, "# card")


def test_the_scale_is_that_of_the_adapters_configuration(
    random_policy_path: Path, broken: Path, tmp_path: Path
):
    config = broken / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"lora_alpha": 0.0}))
    write_merged(random_policy_path, broken, tmp_path / "merged")
    base = load(random_policy_path).state_dict()
    for name, tensor in load(tmp_path / "merged").state_dict().items():
        assert torch.equal(tensor, base[name])
