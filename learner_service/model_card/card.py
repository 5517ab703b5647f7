"""README.md of a download: what the adapter is of, what it is worth, how it is used. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from learner_service.evaluation.bootstrap import CONFIDENCE, mean_interval
from learner_service.evaluation.report_page import FILTERS, summarize
from learner_service.spec import JobSpec, Training
from tally.families.family import Family
from tally.families.grid import ImageGrid, PatchGrid
from tally.job.comparison import Comparison
from tally.text.sinks import to_markdown

# The first and the last part of the steps; fewer than two parts have room for are one.
_SHARE = 10
_FEWEST_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class TrainedAdapter:
    """What a card is of; `history` is transformers' log_history.

    `is_merged`: it is in the base model's weights.
    """

    spec: JobSpec
    training: Training
    family: Family
    grid: ImageGrid
    history: Sequence[Mapping[str, Any]]
    comparison: Comparison | None
    is_merged: bool = False


def render(adapter: TrainedAdapter) -> str:
    """The card, with the front matter that the Hugging Face hub reads."""
    spec, config = adapter.spec, adapter.training.config
    rewards = _rewards_by_step(adapter.history)
    return (
        _environment()
        .get_template("README.md.j2")
        .render(
            front_matter=_front_matter(adapter),
            is_merged=adapter.is_merged,
            title=spec.job_name or "A counting adapter",
            base_model=spec.base_model,
            licence=adapter.family.licence(spec.base_model),
            dataset_digest=spec.dataset_digest,
            began_from=_beginning(adapter.training),
            steps=max(rewards, default=0),
            confidence=f"{CONFIDENCE:.0%}",
            rewards=_reward_parts(rewards, config.seed),
            comparison=adapter.comparison,
            summary=summarize(adapter.comparison) if adapter.comparison else [],
            config=config,
            prompt=adapter.training.prompt,
            settings=_settings(adapter.training),
            spoken_rewards=_spoken_rewards(adapter.training),
            **_sizes(adapter.grid, config.max_image_size),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("learner_service.model_card"),
        autoescape=False,  # it is Markdown, which has a filter of its own
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters |= FILTERS | {"text": to_markdown}
    return environment


def _front_matter(adapter: TrainedAdapter) -> str:
    base_model = adapter.spec.base_model
    licence = adapter.family.licence(base_model)
    data = ModelCardData(
        base_model=base_model,
        base_model_relation="merge" if adapter.is_merged else "adapter",
        library_name="transformers" if adapter.is_merged else "peft",
        license=licence.identifier if licence else None,
        license_name=(licence and licence.name) or None,
        license_link=licence.link if licence and licence.name else None,
        pipeline_tag="image-text-to-text",
        tags=["lora", "grpo", "counting", "tally"],
    )
    text: str = data.to_yaml()
    return text


def _beginning(training: Training) -> str:
    """Empty for an adapter that began with nothing."""
    if training.adapter_job_id:
        return f"the adapter of the job {training.adapter_job_id}"
    digest = training.adapter_digest
    return digest and f"an uploaded adapter with the SHA-256 digest {digest}"


def _rewards_by_step(history: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    rewards = ((entry["step"], entry.get("reward_mean")) for entry in history)
    return {step: reward for step, reward in rewards if reward is not None}


def _reward_parts(rewards: Mapping[int, float], seed: int) -> list[dict[str, Any]]:
    """What the first and the last of the steps brought, or all of few."""
    steps = sorted(rewards)
    size = max(_FEWEST_STEPS, len(steps) // _SHARE)
    parts = [steps[:size], steps[-size:]] if len(steps) >= 2 * size else [steps]
    return [_reward_part(part, [rewards[step] for step in part], seed) for part in parts if part]


def _reward_part(steps: Sequence[int], rewards: Sequence[float], seed: int) -> dict[str, Any]:
    interval = mean_interval(rewards, seed)
    return {
        "first_step": steps[0],
        "last_step": steps[-1],
        "mean": f"{sum(rewards) / len(rewards):.3f}",
        "interval": f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "–",
    }


def _settings(training: Training) -> dict[str, str]:
    groups = (training.config, training.lora, training.prompt)
    values = {k: v for group in groups for k, v in group.model_dump(mode="json").items()}
    return {name: _on_one_line(value) for name, value in values.items()}


def _on_one_line(value: object) -> str:
    """As JSON has it, and a text without its quotes."""
    text = json.dumps(value, ensure_ascii=False)
    return text[1:-1] if isinstance(value, str) else text


def _spoken_rewards(training: Training) -> list[str]:
    return [f"{reward.name} with weight {reward.weight:g}" for reward in training.summed_rewards]


def _sizes(grid: ImageGrid, max_side_pixels: int) -> dict[str, int | None]:
    """`token_pixels`: the step of a side, where sides are free."""
    is_free = isinstance(grid, PatchGrid)
    return {
        "token_pixels": grid.token_pixels if isinstance(grid, PatchGrid) else None,
        "longest_side_pixels": max_side_pixels if is_free else max(grid.fit(1, 1, max_side_pixels)),
    }
