"""A card says what the hub asks for and what the adapter is worth; no name in it is markup."""

import ast
import re

import pytest
from huggingface_hub import ModelCard

from learner_service.evaluation.comparison import comparison
from learner_service.model_card.card import TrainedAdapter, render
from learner_service.spec import JobSpec, Training
from tally.families.grid import PaddedGrid, PatchGrid
from tally.families.registry import FAMILIES
from tally.job.settings import LoraConfig, RewardWeight, TrainingConfig
from tests.learner_service.evaluation.test_comparison import FOUR

GRID = PatchGrid(patch_pixels=14, merge_size=2, min_pixels=3136, max_pixels=1048576)
TRAINING = Training(config=TrainingConfig(max_image_size=280, seed=3), lora=LoraConfig(r=8))


def adapter(*, job_name: str = "apples", **changes: object) -> TrainedAdapter:
    base_model = str(changes.pop("base_model", "Qwen/Qwen2.5-VL-3B-Instruct"))
    spec = JobSpec(job_name=job_name, dataset_digest="d" * 64, base_model=base_model)
    given: dict[str, object] = {
        "spec": spec,
        "training": TRAINING,
        "family": FAMILIES["qwen2_5_vl"],
        "grid": GRID,
        "history": [{"step": step, "reward_mean": step / 100} for step in range(1, 101)],
        "comparison": None,
    }
    return TrainedAdapter(**(given | changes))


def front_matter(text: str) -> dict[str, object]:
    return ModelCard(text, ignore_metadata_errors=False).data.to_dict()


def test_the_front_matter_is_what_the_hub_expects():
    assert front_matter(render(adapter())) == {
        "base_model": "Qwen/Qwen2.5-VL-3B-Instruct",
        "base_model_relation": "adapter",
        "library_name": "peft",
        "license": "other",
        "license_name": "qwen-research",
        "license_link": "https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct/blob/main/LICENSE",
        "pipeline_tag": "image-text-to-text",
        "tags": ["lora", "grpo", "counting", "tally"],
    }
    assert "for research only" in render(adapter())


def test_merged_weights_are_loaded_without_peft():
    text = render(adapter(is_merged=True))
    found = front_matter(text)
    assert (found["library_name"], found["base_model_relation"]) == ("transformers", "merge")
    snippet = text.partition("```python\n")[2].partition("```")[0]
    ast.parse(snippet)
    assert "peft" not in snippet
    assert 'from_pretrained(".", dtype="auto")' in snippet


def test_a_licence_that_the_hub_has_a_word_for_needs_no_name():
    text = render(adapter(base_model="Qwen/Qwen2.5-VL-7B-Instruct"))
    found = front_matter(text)
    assert found["license"] == "apache-2.0"
    assert not {"license_name", "license_link"} & found.keys()
    assert "research only" not in text


def test_of_another_base_no_licence_is_claimed():
    text = render(adapter(base_model="counting_policy"))
    assert "license" not in front_matter(text)
    assert "not known to Tally" in text


def test_the_first_and_the_last_steps_have_their_reward_with_an_interval():
    lines = render(adapter()).splitlines()
    first, last = [line for line in lines if re.match(r"\| \d+ to \d+ \|", line)]
    assert first.startswith("| 1 to 10 | 0.055 | ")
    assert last.startswith("| 91 to 100 | 0.955 | ")
    low, high = map(float, re.findall(r"0\.\d+", last)[1:])
    assert 0.91 <= low < 0.955 < high <= 1.0


def test_few_steps_are_one_part_and_one_step_has_no_interval():
    few = [{"step": step, "reward_mean": 0.5} for step in (1, 2, 3)]
    assert "| 1 to 3 | 0.500 | 0.500 to 0.500 |" in render(adapter(history=few))
    assert "| 1 to 1 | 0.500 | – |" in render(adapter(history=few[:1]))
    assert "No step was done." in render(adapter(history=[]))


def test_the_comparison_is_there_with_its_intervals():
    text = render(adapter(comparison=comparison(FOUR, seed=43)))
    [line] = [line for line in text.splitlines() if line.startswith("| Exactly right |")]
    assert len(re.findall(r"\(.+? to .+?\)", line)) == 3
    assert f"on {len(FOUR)} rows, with 95% intervals:" in text
    assert "| 0.5 | 100 % | 75 % |\n| 0.7 | 0 % | – |" in text
    assert "were not compared" not in text
    assert "were not compared" in render(adapter())


def test_what_it_began_with_is_named():
    began = [
        TRAINING.model_copy(update={"adapter_digest": "a" * 64, "adapter_job_id": job_id})
        for job_id in ("2f6d1c9a", "")
    ]
    assert "| Began from | the adapter of the job 2f6d1c9a |" in render(adapter(training=began[0]))
    assert f"digest {'a' * 64} |" in render(adapter(training=began[1]))
    assert "Began from" not in render(adapter())


def test_every_setting_is_there():
    text = render(adapter())
    for name in (*TrainingConfig.model_fields, *LoraConfig.model_fields):
        assert f"\n| `{name}` | " in text
    assert "| `max_image_size` | 280 |" in text
    weighted = TRAINING.model_copy(update={"rewards": (RewardWeight(name="exact", weight=2.0),)})
    assert "Rewards: exact with weight 2." in render(adapter(training=weighted))


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a\n---\n# b", "[x](javascript:alert(1))", "a | b `c`"]
)
def test_what_a_stranger_wrote_is_text_alone(name: str):
    text = render(adapter(job_name=name))
    [title] = [line for line in text.splitlines() if line.startswith("# ")]
    assert not re.search(r"(?<!\\)[<\[`|]", title.removeprefix("# "))
    assert front_matter(text)["library_name"] == "peft"


@pytest.mark.parametrize(
    "grid", [GRID, PaddedGrid(patch_pixels=14, min_side_pixels=336, tokens_by_side={490: 128})]
)
def test_how_pictures_were_resized_is_said_and_done_by_the_snippet(grid: PatchGrid | PaddedGrid):
    text = render(adapter(grid=grid))
    snippet = text.partition("```python\n")[2].partition("```")[0]
    ast.parse(snippet)
    if grid is GRID:
        assert "most\n280 pixels, then to the nearest multiples of 28 pixels" in text
        assert "280 / max(image.size)" in snippet
    else:
        assert "to a longer side of 490 pixels" in text
        assert "max_image_size=490" in snippet
