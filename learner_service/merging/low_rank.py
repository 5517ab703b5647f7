"""An adapter as what it adds to the base model's weights."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from tally.families.family import Family
from tally.rpc.errors import FailedPrecondition

_LAYERS = "layers."


@dataclass(frozen=True, kw_only=True)
class LowRank:
    """a: [r, in]; b: [out, r], both float32. What is added is `scaling` · b · a, [out, in]."""

    a: Tensor
    b: Tensor
    scaling: float


def read_low_ranks(folder: Path, family: Family) -> dict[str, LowRank]:
    """Of an adapter that PEFT saved in `folder`, by the place of the layer that each goes on: its
    path below the language model, as its family names it."""
    config = json.loads((folder / "adapter_config.json").read_text())
    scaling = config["lora_alpha"] / config["r"]
    prefix = f"base_model.model.{family.language_model_path}."
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
        layers = {name.rpartition(".lora_")[0] for name in file.keys()}  # noqa: SIM118 - no dict
        return {
            layer.removeprefix(prefix): LowRank(
                a=file.get_tensor(f"{layer}.lora_A.weight").float(),
                b=file.get_tensor(f"{layer}.lora_B.weight").float(),
                scaling=scaling,
            )
            for layer in layers
        }


def name_weights(
    low_ranks: Mapping[str, LowRank], tensors: Iterable[str], family: Family
) -> dict[str, LowRank]:
    """By the names that the weights have in the base's own files, which may be older than those of
    transformers' modules. Raises FailedPrecondition where a weight is not there."""
    tower = family.vision_tower_path.rpartition(".")[2]
    name_by_place = {}
    for name in tensors:
        before, layers, after = name.partition(_LAYERS)
        if layers and tower not in before.split("."):
            name_by_place[f"{layers}{after}"] = name
    if missing := {f"{place}.weight" for place in low_ranks} - name_by_place.keys():
        raise FailedPrecondition(
            f"the base model's files hold no {min(missing)}, so nothing can be merged into it; "
            "load base and adapter with PEFT"
        )
    return {name_by_place[f"{place}.weight"]: added for place, added in low_ranks.items()}
