"""What an adapter may say of itself: what PEFT writes by default, and no other kind of LoRA."""

import json
from typing import Any

import pytest
from peft import LoraConfig

from tally.sampling.adapter_config import read_lora_config


def written(**changes: object) -> str:
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj"], task_type="CAUSAL_LM")
    fields: dict[str, Any] = config.to_dict() | changes
    return json.dumps(fields, default=list)


def test_what_peft_sets_by_itself_is_taken() -> None:
    config = read_lora_config(written(), 64)
    assert (config["r"], config["lora_alpha"], config["target_modules"]) == (8, 16, ["q_proj"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"use_dora": True}, "use_dora: expected unset; plain LoRA only"),
        ({"use_qalora": True}, "use_qalora: expected unset"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern: expected unset"),
        ({"peft_type": "IA3"}, "peft_type: expected LORA"),
        ({"r": 65}, "r: expected 1 to 64"),
        ({"lora_alpha": float("nan")}, "lora_alpha: expected above 0"),
        ({"base_model_name_or_path": "/a/path"}, "base_model_name_or_path: expected a hub name"),
    ],
)
def test_what_changes_weights_otherwise_is_refused_by_its_name(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        read_lora_config(written(**changes), 64)


@pytest.mark.parametrize("text", [None, "", "{", "[]", "[" * 100_000])
def test_what_is_no_configuration_is_refused(text: str | None) -> None:
    with pytest.raises(ValueError, match="adapter_config"):
        read_lora_config(text, 64)
