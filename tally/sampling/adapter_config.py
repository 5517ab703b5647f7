"""PEFT's configuration of an adapter, as far as a stranger's is taken: that of a plain LoRA.

It is never handed to PEFT: a rank, a scale and the names of layers come out of it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

CONFIG_KEY = "adapter_config"  # of a safetensors file's metadata
MOST_HEADER_BYTES = 16 * 1024**2  # parsing takes many times a header's bytes
_LARGEST_ALPHA = 65_536
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
# What else is there must be as PEFT leaves it.
_KNOWN_FIELDS = frozenset(
    {
        "base_model_name_or_path",
        "bias",
        "inference_mode",
        "init_lora_weights",
        "lora_alpha",
        "lora_dropout",
        "peft_type",
        "peft_version",
        "r",
        "target_modules",
        "exclude_modules",
        "task_type",
    }
)
# Of the fields that PEFT sets to something: what has no effect on a plain LoRA's weights.
_NEUTRAL: Mapping[str, Any] = {
    "megatron_core": "megatron.core",
    "qalora_group_size": 16,
    "runtime_config": {"ephemeral_gpu_offload": False},
}


def read_lora_config(text: str | None, most_rank: int) -> dict[str, Any]:
    """Of a file's metadata. Raises ValueError, saying what would be right."""
    if text is None:
        raise ValueError(f"adapter: its safetensors metadata has no {CONFIG_KEY}")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{CONFIG_KEY}: not JSON") from error
    if not isinstance(config, dict):
        raise ValueError(f"{CONFIG_KEY}: expected an object")
    _check(config, most_rank)
    return config


def _check(config: dict[str, Any], most_rank: int) -> None:
    _require(config.get("peft_type") == "LORA", "peft_type", "LORA")
    _require(config.get("task_type") in (None, "CAUSAL_LM"), "task_type", "CAUSAL_LM")
    _require(config.get("bias", "none") == "none", "bias", "none")
    rank = config.get("r")
    _require(type(rank) is int and 1 <= rank <= most_rank, "r", f"1 to {most_rank}")
    _require(_between(config.get("lora_alpha"), 0, _LARGEST_ALPHA), "lora_alpha", "above 0")
    _require(_between(config.get("lora_dropout", 0.0), -1e-9, 1), "lora_dropout", "0 to below 1")
    base = config.get("base_model_name_or_path")
    _require(not base or _is_hub_name(base), "base_model_name_or_path", "a hub name or nothing")
    for name in sorted(config.keys() - _KNOWN_FIELDS):
        neutral = not config[name] or config[name] == _NEUTRAL.get(name)
        _require(neutral, name[:100], "unset; plain LoRA only")


def _require(holds: bool, field: str, expected: str) -> None:
    if not holds:
        raise ValueError(f"{CONFIG_KEY}: {field}: expected {expected}")


def _between(value: Any, above: float, below: float) -> bool:
    return type(value) in (int, float) and above < value < below  # NaN is neither


def _is_hub_name(name: Any) -> bool:
    return isinstance(name, str) and bool(_HUB_NAME.fullmatch(name))
