"""What is known of a family stands in tally/families, once; to know it takes no torch."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from tally.families.family import Family, UnsupportedModel
from tally.families.qwen3_vl import QWEN3_VL
from tally.families.registry import FAMILIES, family_of, read_config

ROOT = Path(__file__).parents[3]
# Its type, its layers, its 4-bit weights, its placeholders, its grid, its positions, its rotation.
FACTS = (
    "qwen2_vl",
    "q_proj",
    "gate_proj",
    "bnb_4bit",
    "image_pad",
    "smart_resize",
    "shortest_edge",
    "get_rope_index",
    "rotate_half",
)
# They make models of a family, by the classes of transformers.
MAKERS = {"tally/samples/small_policy.py", "tally/samples/small_models.py"}


def test_the_families_are_known_without_torch():
    code = "import sys, tally.families.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("fact", FACTS)
def test_a_fact_of_a_family_stands_nowhere_else(fact: str):
    folders = ("rollout_service", "learner_service", "gateway", "tally", "bench")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in sources if fact in path.read_text()}
    assert {path for path in found if not path.startswith("tally/families/")} <= MAKERS


def test_a_type_that_is_not_here_is_refused_with_those_that_are():
    with pytest.raises(UnsupportedModel, match="gpt2 is not supported; expected qwen2_5_vl or"):
        family_of(AutoConfig.for_model("gpt2"))


def test_a_type_with_recurrent_layers_is_refused_with_the_reason():
    config = AutoConfig.for_model("qwen3_5")
    with pytest.raises(UnsupportedModel, match="qwen3_5 is not supported: it has recurrent layers"):
        family_of(config)


def test_a_type_that_transformers_does_not_know_is_refused_by_its_layers_too(tmp_path: Path):
    text = '{"model_type": "tomorrow", "text_config": {"layer_types": ["linear_attention"]}}'
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UnsupportedModel, match="tomorrow is not supported: it has recurrent"):
        read_config(str(tmp_path))


@pytest.mark.parametrize("model_type", ["qwen2_vl", "qwen2_5_vl"])
def test_sliding_windows_are_refused(model_type: str):
    text = SimpleNamespace(layer_types=["full_attention", "sliding_attention"])
    config = SimpleNamespace(model_type=model_type, get_text_config=lambda: text)
    with pytest.raises(UnsupportedModel, match="sliding-window"):
        family_of(config)


def test_a_model_that_deepstack_reaches_the_end_of_is_refused():
    text = SimpleNamespace(num_hidden_layers=3)
    vision = SimpleNamespace(deepstack_visual_indexes=[5, 11, 17])
    config = SimpleNamespace(
        model_type=QWEN3_VL.model_type, get_text_config=lambda: text, vision_config=vision
    )
    with pytest.raises(UnsupportedModel, match="expected more than 3 layers"):
        family_of(config)


def test_a_layer_with_a_part_that_is_not_described_is_refused(small_model_path):
    """As Qwen3-VL with its norms left out, it would be wrong and nothing would say so."""
    model = AutoModelForImageTextToText.from_pretrained(small_model_path)
    layer = model.get_submodule("model.language_model.layers.0")
    family_of(model.config).check_attention(layer)
    layer.self_attn.gate = torch.nn.Linear(4, 4)
    with pytest.raises(UnsupportedModel, match=r"self_attn\.gate is not in the description"):
        family_of(model.config).check_attention(layer)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ('{"model_type": "gpt2"}', "type gpt2 is"),
        (
            '{"model_type": "unheard_of", "auto_map": {"AutoConfig": "own.Config"}}',
            "type unheard_of",
        ),
        ("{}", "a config.json without a model_type is"),
    ],
)
def test_its_configuration_alone_is_enough_to_refuse_a_model(
    tmp_path: Path, fields: str, what: str
):
    (tmp_path / "config.json").write_text(fields)
    with pytest.raises(UnsupportedModel, match=f"{what}.* expected qwen2_5_vl or .*aria"):
        read_config(str(tmp_path))


def test_a_configuration_is_read_with_its_family(small_model_path: Path):
    config, family = read_config(str(small_model_path))
    assert config.model_type == family.model_type


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_the_page_of_families_has_a_row_for_it(family: Family):
    page = (ROOT / "docs" / "families.md").read_text()
    [row] = [line for line in page.splitlines() if f"`{family.model_type}` |" in line]
    assert row.endswith("| torch, vLLM |" if family.vllm_adapts else "| torch |")
    assert ("row, column" in row) == (family.position_axes == 3)


def test_the_adapted_layers_are_those_of_the_language_model():
    assert FAMILIES["qwen2_5_vl"].lora_targets == (
        r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    )


def test_an_aria_whose_projector_takes_no_size_of_the_processors_is_refused():
    config = SimpleNamespace(
        model_type="aria",
        vision_config=SimpleNamespace(patch_size=14),
        projector_patch_to_query_dict={256: 64},
    )
    with pytest.raises(UnsupportedModel, match=r"490 px nor of 980 px .*patch_to_query_dict"):
        family_of(config)
