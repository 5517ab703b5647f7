"""An adapter file of a stranger: whole and plain it is read, a hostile one is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.sampling.adapter_file import adaptable_layers, read_adapter
from tally.sampling.errors import BadAdapter
from tests.rollout_service.support import (
    Reference,
    adapter_bytes,
    adapter_config,
    adapter_tensors,
    local_blob,
)

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def tensors(reference: Reference) -> Tensors:
    return adapter_tensors(reference.adapted(seed=1))


def read(data: bytes, reference: Reference, folder: Path) -> None:
    layers = adaptable_layers(reference.model, QWEN2_5_VL)
    read_adapter(local_blob(folder, data).path, layers, max_rank=64)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 64,
        (2**62).to_bytes(8, "little") + b"{}",
        (17 * 2**20).to_bytes(8, "little") + b"{}".ljust(17 * 2**20),
        (2).to_bytes(8, "little") + b"[]",
        (80).to_bytes(8, "little")
        + b'{"a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,4]}}'.ljust(80),
    ],
)
def test_a_hostile_safetensors_header(reference, tmp_path, data):
    with pytest.raises(BadAdapter, match="not a whole safetensors file"):
        read(data, reference, tmp_path)


def _replaced(suffix: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    def replace(tensors: Tensors) -> Tensors:
        key = next(key for key in tensors if key.endswith(suffix))
        return tensors | {key: change(tensors[key])}

    return replace


def _without(suffix: str) -> Any:
    return lambda tensors: {k: v for k, v in tensors.items() if not k.endswith(suffix)}


def _with_key(key: str) -> Any:
    return lambda tensors: tensors | {key: torch.zeros(4, 128)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_replaced("lora_A.weight", lambda t: t * torch.nan), "NaN or infinity"),
        (_replaced("lora_B.weight", lambda t: t + torch.inf), "NaN or infinity"),
        (_replaced("lora_A.weight", lambda t: t[:, 1:].contiguous()), "expected \\[4, 128\\]"),
        (_replaced("lora_B.weight", lambda t: t.double()), "F64"),
        (_without("layers.1.mlp.up_proj.lora_A.weight"), "missing key"),
        (_without("layers.1.mlp.up_proj.lora_B.weight"), "missing key"),
        (
            lambda t: _without("layers.1.mlp.up_proj.lora_A.weight")(
                _without("layers.1.mlp.up_proj.lora_B.weight")(t)
            ),
            "missing key",
        ),
        (lambda _: {"weight": torch.zeros(1)}, "unknown key"),
        (lambda _: {}, "no weights"),
        (_with_key("base_model.model.lm_head.lora_A.weight"), "unknown key"),
        (_with_key("base_model.model.model.visual.blocks.0.attn.qkv.lora_A.weight"), "unknown key"),
    ],
)
def test_hostile_weights(reference, tensors, tmp_path, change, message):
    data = adapter_bytes(change(tensors), adapter_config())
    with pytest.raises(BadAdapter, match=message):
        read(data, reference, tmp_path)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"peft_type": "IA3"}, "peft_type"),
        ({"task_type": "SEQ_CLS"}, "task_type"),
        ({"bias": "all"}, "bias"),
        ({"r": 0}, "r"),
        ({"r": 10**9}, "r"),
        ({"r": True}, "r"),
        ({"r": "4"}, "r"),
        ({"lora_alpha": float("nan")}, "lora_alpha"),
        ({"lora_alpha": -1}, "lora_alpha"),
        ({"lora_alpha": 10**400}, "lora_alpha"),
        ({"lora_alpha": float("inf")}, "lora_alpha"),
        ({"lora_dropout": -(10**400)}, "lora_dropout"),
        ({"lora_dropout": 2}, "lora_dropout"),
        ({"base_model_name_or_path": "/etc/passwd"}, "base_model_name_or_path"),
        ({"base_model_name_or_path": "../policy"}, "base_model_name_or_path"),
        ({"auto_mapping": {"base_model_class": "os.system"}}, "auto_mapping"),
        ({"use_dora": True}, "use_dora"),
        ({"use_rslora": True}, "use_rslora"),
        ({"rank_pattern": {"q_proj": 9}}, "rank_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"trust_remote_code": True}, "trust_remote_code"),
        ({"target_modules": None}, "target_modules"),
        ({"target_modules": ["q_proj"]}, "target_modules"),
        ({"target_modules": [1]}, "target_modules"),
        ({"target_modules": [f"no_{n}" for n in range(200_000)]}, "target_modules"),
    ],
)
def test_a_hostile_configuration(reference, tensors, tmp_path, changes, field):
    with pytest.raises(BadAdapter, match=field):
        read(adapter_bytes(tensors, adapter_config(**changes)), reference, tmp_path)


@pytest.mark.parametrize("config", ["text", [], None, 5])
def test_a_configuration_that_is_no_object(reference, tensors, tmp_path, config):
    with pytest.raises(BadAdapter, match="adapter_config"):
        read(adapter_bytes(tensors, config), reference, tmp_path)


def test_a_configuration_that_is_missing_or_too_deep(reference, tensors, tmp_path):
    from safetensors.torch import save

    for metadata in (None, {"adapter_config": "[" * 100_000}, {"adapter_config": "{"}):
        with pytest.raises(BadAdapter, match="adapter_config"):
            read(save(tensors, metadata=metadata), reference, tmp_path)


def test_an_endless_pattern_is_never_run(reference, tensors, tmp_path):
    read(
        adapter_bytes(tensors, adapter_config(target_modules="(.*)*" * 40 + "!")),
        reference,
        tmp_path,
    )


def test_peft_s_own_configuration_is_accepted(reference, tmp_path):
    adapted = reference.adapted(seed=1)
    config = adapted.peft_config["default"].to_dict() | {
        "base_model_name_or_path": "Qwen/Qwen2.5-VL"
    }
    config = {k: sorted(v) if isinstance(v, set) else v for k, v in config.items()}
    read(adapter_bytes(adapter_tensors(adapted), config), reference, tmp_path)


HOSTILE_VALUES = [
    None, True, 0, -1, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "x" * 10_000,
    "\x00", "\x1b[31m", "\ud800", [], [[]], [None], {}, {"": {}}, {"a": [{}]},
]  # fmt: skip


def _mutated(value: Any, random: Random) -> Any:
    """The JSON value with something in it replaced, left out, or added."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(sorted(value))
        changed = {k: v for k, v in value.items() if k != key}
        match random.randrange(4):
            case 0:
                return changed
            case 1:
                return changed | {random.choice(["", "x" * 5000, "__metadata__"]): value[key]}
        return changed | {key: _mutated(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.6:
        place = random.randrange(len(value))
        return [*value[:place], _mutated(value[place], random), *value[place + 1 :]]
    return random.choice(HOSTILE_VALUES)


@pytest.mark.parametrize("part", ["header", "configuration"])
def test_whatever_is_changed_it_is_read_or_refused(reference, tensors, tmp_path, part):
    """Seeded: 300 changes of the header and of the configuration."""
    random, refused = Random(f"adapter {part}"), 0
    whole = adapter_bytes(tensors, adapter_config())
    header_bytes = int.from_bytes(whole[:8], "little")
    for _ in range(300):
        header = json.loads(whole[8 : 8 + header_bytes])
        if part == "header":
            header = _mutated(header, random)
        else:
            metadata = header["__metadata__"]
            config = _mutated(json.loads(metadata["adapter_config"]), random)
            metadata["adapter_config"] = json.dumps(config)
        text = json.dumps(header).encode()
        data = len(text).to_bytes(8, "little") + text + whole[8 + header_bytes :]
        try:
            read(data, reference, tmp_path)
        except BadAdapter:
            refused += 1
    assert refused > 150
