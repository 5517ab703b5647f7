"""An adapter blob → LoRA weights that are checked against the model before anything is loaded.

The configuration of a stranger is never handed to PEFT: only a rank, a scale and the names of
linear layers of the language model come out of here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from tally.families.family import Family
from tally.sampling.adapter_config import CONFIG_KEY, MOST_HEADER_BYTES, read_lora_config
from tally.sampling.errors import BadAdapter

_KEY = re.compile(r"base_model\.model\.(?P<module>[\w.]+)\.lora_(?P<side>[AB])\.weight")
_DTYPES = ("F32", "F16", "BF16")
_NOT_WHOLE = "adapter: not a whole safetensors file"
_LARGEST_WEIGHT = 1e6
_LARGEST_CHANGE = 1e4


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
        name: layer
        for name, module in model.named_modules()
        if re.fullmatch(family.lora_targets, name)
        and isinstance(layer := plain_layer(module), nn.Linear)
    }


def plain_layer(module: nn.Module) -> nn.Module:
    """The layer itself, where PEFT has put an adapter around it."""
    layer: nn.Module = getattr(module, "base_layer", module)
    return layer


def read_adapter(path: Path, layers: Mapping[str, nn.Linear], max_rank: int) -> LoraWeights:
    """Weights of the adapter in `path` for `layers`; raises BadAdapter, saying what is wrong."""
    try:
        _check_header_size(path)
        with safe_open(path, framework="pt") as file:
            config = _config((file.metadata() or {}).get(CONFIG_KEY), max_rank)
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
        if int.from_bytes(file.read(8), "little") > MOST_HEADER_BYTES:
            raise BadAdapter(f"{_NOT_WHOLE} with a header of at most {MOST_HEADER_BYTES:,} bytes")


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
    try:
        return read_lora_config(text, max_rank)
    except ValueError as error:
        raise BadAdapter(str(error)) from error


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
        raise BadAdapter(f"{CONFIG_KEY}: target_modules: expected a list of names or a pattern")
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
