"""The families that Tally trains and samples from. A new one: its file, and its line here."""

from typing import Any

from tally.families.aria import ARIA
from tally.families.family import Family, UnsupportedModel
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.families.qwen2_vl import QWEN2_VL
from tally.families.qwen3_vl import QWEN3_VL

FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (QWEN2_5_VL, QWEN2_VL, QWEN3_VL, ARIA)
}


def family_of(config: Any) -> Family:
    """The family of a model, by its configuration as transformers reads it.

    Raises UnsupportedModel that names the types that are supported.
    """
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise UnsupportedModel(
            f"a model of type {config.model_type} is not supported; expected "
            f"{' or '.join(FAMILIES)}"
        )
    family.check(config)
    return family
