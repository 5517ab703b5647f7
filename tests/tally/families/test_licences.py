"""Each published model has its licence, and what somebody made of one has none here."""

from pathlib import Path

import pytest

from tally.families.family import Family
from tally.families.licences import APACHE_2, QWEN_RESEARCH
from tally.families.registry import FAMILIES

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "name",
    ["Qwen/Qwen2.5-VL-3B-Instruct", "Qwen2.5-VL-3B-Instruct", "Qwen/Qwen2.5-VL-3B"],
)
def test_the_model_of_3b_is_for_research_only(name: str):
    licence = FAMILIES["qwen2_5_vl"].licence(name)
    assert licence is QWEN_RESEARCH
    assert licence.is_for_research_only


def test_another_size_has_another_licence():
    assert FAMILIES["qwen2_5_vl"].licence("Qwen/Qwen2.5-VL-7B-Instruct") is APACHE_2
    assert FAMILIES["qwen2_vl"].licence("Qwen/Qwen2-VL-72B-Instruct").name == "tongyi-qianwen"
    assert FAMILIES["qwen2_vl"].licence("Qwen/Qwen2-VL-7B-Instruct") is APACHE_2


@pytest.mark.parametrize(
    "name", ["somebody/Qwen2.5-VL-3B-Instruct", "counting_policy", "Qwen/Qwen2.5-VL-30B", ""]
)
def test_of_what_somebody_else_made_nothing_is_claimed(name: str):
    assert FAMILIES["qwen2_5_vl"].licence(name) is None


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_the_page_of_families_says_each(family: Family):
    page = (ROOT / "docs" / "families.md").read_text()
    for name, licence in family.licences.items():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{name}")]
        assert f"[{licence.title}]({licence.link})" in row
        assert ("research only" in row) == licence.is_for_research_only
