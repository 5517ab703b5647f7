"""The families that Tally trains and samples from. A new one: its file, and its line here."""

from collections.abc import Collection, Mapping
from typing import Any

from tally.families.aria import ARIA
from tally.families.family import Family, UnsupportedModel
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.families.qwen2_vl import QWEN2_VL
from tally.families.qwen3_vl import QWEN3_VL
from tally.families.weight_files import check_weight_files

FAMILIES: dict[str, Family] = {
    family.model_type: family for family in (QWEN2_5_VL, QWEN2_VL, QWEN3_VL, ARIA)
}
# As transformers names such layers: docs/decisions/0012 says what they would take.
_RECURRENT = "linear_attention"


def check_type(fields: Mapping[str, Any]) -> None:
    """Raises UnsupportedModel for the `fields` of a config.json whose type is not here."""
    if fields.get("model_type") not in FAMILIES:
        text = fields.get("text_config") or fields
        raise _refuse_type(fields.get("model_type"), text.get("layer_types") or ())


def read_config(source: str) -> tuple[Any, Family]:
    """A model's configuration and its family, by nothing but its config.json.

    `source` is a folder or a hub name. Nothing else of the model is fetched, and none of its own
    code is run. Raises UnsupportedModel that names the types that are supported, or for a folder of
    weights that are a pickle; OSError where there is no such file.
    """
    from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig  # noqa: PLC0415

    check_weight_files(source)
    fields, _ = PreTrainedConfig.get_config_dict(source)
    if fields.get("model_type") not in CONFIG_MAPPING:
        check_type(fields)
    config = AutoConfig.from_pretrained(source)
    return config, family_of(config)


def family_of(config: Any) -> Family:
    """The family of a model, by its configuration as transformers reads it.

    Raises UnsupportedModel that names the types that are supported.
    """
    family = FAMILIES.get(config.model_type)
    if family is None:
        layer_types = getattr(config.get_text_config(), "layer_types", None)
        raise _refuse_type(config.model_type, layer_types or ())
    family.check(config)
    return family


def _refuse_type(model_type: str | None, layer_types: Collection[str]) -> UnsupportedModel:
    what = f"a model of type {model_type}" if model_type else "a config.json without a model_type"
    why = ""
    if _RECURRENT in layer_types:
        why = (
            f": it has recurrent layers ({_RECURRENT}), and completions that are packed behind one "
            "prompt would go on from each other's state"
        )
    return UnsupportedModel(f"{what} is not supported{why}; expected {' or '.join(FAMILIES)}")
