"""An adapter blob → LoRA weights that are checked against the model before anything is loaded.

The configuration of a stranger is never handed to PEFT: only a rank, a scale and the names of
linear layers of the language model come out of here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from rollout_service.errors import BadAdapter
from tally.families.family import Family

_CONFIG_KEY = "adapter_config"
_KEY = re.compile(r"base_model\.model\.(?P<module>[\w.]+)\.lora_(?P<side>[AB])\.weight")
_DTYPES = ("F32", "F16", "BF16")
_NOT_WHOLE = "adapter: not a whole safetensors file"
_MOST_HEADER_BYTES = 16 * 1024**2
_LARGEST_ALPHA = 65_536
_LARGEST_WEIGHT = 1e6
_LARGEST_CHANGE = 1e4
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
# Read or ignored below; every other field must be as PEFT leaves it.
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
_DEFAULTS: Mapping[str, Any] = LoraConfig().to_dict()


@dataclass(frozen=True, kw_only=True)
class LoraStructure:
    """What must be equal for one adapter's weights to be written over another's."""

    rank: int
    alpha: float
    modules: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LoraWeights:
    """`a_by_module`: [rank, in features] each; `b_by_module`: [out features, rank] each."""

    structure: LoraStructure
    a_by_module: dict[str, Tensor]
    b_by_module: dict[str, Tensor]


def adaptable_layers(model: nn.Module, family: Family) -> dict[str, nn.Linear]:
    """The layers that adapters of `family` may have weights for, by full name."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and re.fullmatch(family.lora_targets, name)
    }


def read_adapter(path: Path, layers: Mapping[str, nn.Linear], max_rank: int) -> LoraWeights:
    """Weights of the adapter in `path` for `layers`; raises BadAdapter, saying what is wrong."""
    try:
        _check_header_size(path)
        with safe_open(path, framework="pt") as file:
            config = _config((file.metadata() or {}).get(_CONFIG_KEY), max_rank)
            modules = _modules(file.keys(), layers)
            targets, excluded = config.get("target_modules"), config.get("exclude_modules")
            _check_targets(targets, excluded, modules, layers)
            for side in "AB":
                _check_shapes(file, modules, layers, side, config["r"])
            structure = LoraStructure(
                rank=config["r"], alpha=float(config["lora_alpha"]), modules=modules
            )
            return LoraWeights(
                structure=structure,
                a_by_module={module: _weight(file, module, "A") for module in modules},
                b_by_module={module: _weight(file, module, "B") for module in modules},
            )
    except (SafetensorError, OSError) as error:
        raise BadAdapter(_NOT_WHOLE) from error


def _check_header_size(path: Path) -> None:
    """Before the header is parsed, which takes many times its bytes."""
    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > _MOST_HEADER_BYTES:
            raise BadAdapter(f"{_NOT_WHOLE} with a header of at most {_MOST_HEADER_BYTES:,} bytes")


def check_magnitude(weights: LoraWeights) -> None:
    """Raises BadAdapter for weights that could make the model overflow.

    An engine whose cache outlives a request must never run these: what overflows stays in it.
    A trained adapter changes a weight by less than 1; the bound leaves four orders of magnitude.
    """
    scale = weights.structure.alpha / weights.structure.rank
    for module in weights.structure.modules:
        a = weights.a_by_module[module].abs().max().item()
        b = weights.b_by_module[module].abs().max().item()
        if max(a, b) > _LARGEST_WEIGHT or a * b * scale * weights.structure.rank > _LARGEST_CHANGE:
            raise BadAdapter("adapter: its weights make the model overflow")


def _config(text: str | None, max_rank: int) -> dict[str, Any]:
    if text is None:
        raise BadAdapter(f"adapter: its safetensors metadata has no {_CONFIG_KEY}")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadAdapter(f"{_CONFIG_KEY}: not JSON") from error
    if not isinstance(config, dict):
        raise BadAdapter(f"{_CONFIG_KEY}: expected an object")
    _check_config(config, max_rank)
    return config


def _check_config(config: dict[str, Any], max_rank: int) -> None:
    _require(config.get("peft_type") == "LORA", "peft_type", "LORA")
    _require(config.get("task_type") in (None, "CAUSAL_LM"), "task_type", "CAUSAL_LM")
    _require(config.get("bias", "none") == "none", "bias", "none")
    rank = config.get("r")
    _require(type(rank) is int and 1 <= rank <= max_rank, "r", f"1 to {max_rank}")
    _require(_between(config.get("lora_alpha"), 0, _LARGEST_ALPHA), "lora_alpha", "above 0")
    _require(_between(config.get("lora_dropout", 0.0), -1e-9, 1), "lora_dropout", "0 to below 1")
    base = config.get("base_model_name_or_path")
    _require(not base or _is_hub_name(base), "base_model_name_or_path", "a hub name or nothing")
    for name in sorted(config.keys() - _KNOWN_FIELDS):
        neutral = not config[name] or config[name] == _DEFAULTS.get(name)
        _require(neutral, name[:100], "unset; plain LoRA only")


def _require(holds: bool, field: str, expected: str) -> None:
    if not holds:
        raise BadAdapter(f"{_CONFIG_KEY}: {field}: expected {expected}")


def _between(value: Any, above: float, below: float) -> bool:
    return type(value) in (int, float) and above < value < below  # NaN is neither


def _is_hub_name(name: Any) -> bool:
    return isinstance(name, str) and bool(_HUB_NAME.fullmatch(name))


def _modules(keys: list[str], layers: Mapping[str, nn.Linear]) -> tuple[str, ...]:
    """Names of the adapted layers; raises for a key that is none of theirs, or a half of a pair."""
    sides: dict[str, set[str]] = {}
    for key in keys:
        match = _KEY.fullmatch(key)
        if match is None or match["module"] not in layers:
            raise BadAdapter(f"adapter: unknown key {key[:200]!r}; only the language model adapts")
        sides.setdefault(match["module"], set()).add(match["side"])
    for module, present in sides.items():
        if missing := {"A", "B"} - present:
            raise BadAdapter(f"adapter: missing key {_key(module, missing.pop())!r}")
    if not sides:
        raise BadAdapter("adapter: holds no weights")
    return tuple(sorted(sides))


def _check_targets(
    targets: Any, excluded: Any, modules: tuple[str, ...], layers: Mapping[str, nn.Linear]
) -> None:
    """Every layer that the configuration means must be there.

    A list of names is taken at its word. A pattern of a stranger is never run, for it may take
    for ever: with one, a projection that is adapted must be adapted in every layer.
    """
    if isinstance(targets, list) and all(isinstance(one, str) for one in targets):
        names = set(targets)
        expected = {layer for layer in layers if not names.isdisjoint(_endings(layer))}
    elif isinstance(targets, str):
        kinds = tuple({f".{module.rpartition('.')[2]}" for module in modules})
        expected = {module for module in layers if module.endswith(kinds)}
    else:
        raise BadAdapter(f"{_CONFIG_KEY}: target_modules: expected a list of names or a pattern")
    missing = set() if excluded else expected - set(modules)
    if missing:
        raise BadAdapter(f"adapter: missing key {_key(min(missing), 'A')!r}")
    if extra := set(modules) - expected:
        raise BadAdapter(f"adapter: {min(extra)!r} is not among its target_modules")


def _endings(layer: str) -> Iterator[str]:
    """The layer's name, and what is left of it behind each dot."""
    while layer:
        yield layer
        layer = layer.partition(".")[2]


def _check_shapes(
    file: Any, modules: tuple[str, ...], layers: Mapping[str, nn.Linear], side: str, rank: int
) -> None:
    for module in modules:
        layer = layers[module]
        expected = [rank, layer.in_features] if side == "A" else [layer.out_features, rank]
        stored = file.get_slice(_key(module, side))
        if stored.get_shape() != expected or stored.get_dtype() not in _DTYPES:
            raise BadAdapter(
                f"adapter: {_key(module, side)!r} is {stored.get_dtype()} {stored.get_shape()}; "
                f"expected {expected}, one of {', '.join(_DTYPES)}"
            )


def _weight(file: Any, module: str, side: str) -> Tensor:
    weight: Tensor = file.get_tensor(_key(module, side))
    if not torch.isfinite(weight).all():
        raise BadAdapter(f"adapter: {_key(module, side)!r} holds NaN or infinity")
    return weight


def _key(module: str, side: str) -> str:
    return f"base_model.model.{module}.lora_{side}.weight"
