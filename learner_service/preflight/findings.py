"""What would go wrong with a job, or badly, and the nearest settings that help. Pure."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from learner_service.clients.rollouts import RolloutModel
from learner_service.preflight.base_sample import BaseSample
from learner_service.preflight.warmer_temperature import MOST_GROUPS, Warmer
from learner_service.spec import Training
from tally.job.settings import TrainingConfig

_CEILING = 0.97
_FEWEST_ROWS = 20
_SIDE_STEP = 28


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`suggestion`: fields of the spec, such as train.config.batch_size, with values that fit."""

    severity: Severity
    code: str
    where: str
    message: str
    suggestion: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    steps_per_epoch: int
    total_steps: int
    completions_per_step: int


def step_plan(training: TrainingConfig, rows: int) -> StepPlan:
    """The steps that transformers' Trainer takes."""
    passes = math.ceil(rows / training.batch_size)
    steps_per_epoch = math.ceil(passes / training.gradient_accumulation_steps)
    prompts = min(rows, training.batch_size * training.gradient_accumulation_steps)
    return StepPlan(
        steps_per_epoch=steps_per_epoch,
        total_steps=training.max_steps or training.num_epochs * steps_per_epoch,
        completions_per_step=prompts * (1 if training.is_exact else training.num_generations),
    )


def of_data(
    counts: Counter[int], training_rows: int, held_out: int, training: Training
) -> Iterator[Finding]:
    """Findings about the rows: their number, their balance, what is held out."""
    rows = counts.total()
    count, most = counts.most_common(1)[0]
    if most > rows / 2:
        yield Finding(
            severity=Severity.WARNING,
            code="unbalanced_counts",
            where="dataset_digest",
            message=f"{most} of {rows} rows have the count {count}: always answering {count} is "
            "rewarded; add images with other counts",
        )
    if training_rows < _FEWEST_ROWS:
        yield Finding(
            severity=Severity.WARNING,
            code="few_rows",
            where="dataset_digest",
            message=f"{training_rows} rows are little to learn from; a few hundred are better",
        )
    if training.held_out_share and not held_out:
        yield Finding(
            severity=Severity.NOTE,
            code="nothing_held_out",
            where="train.evaluation_share",
            message="too few images to hold some out: base and adapter will not be compared; "
            "name an upload to compare on",
        )


def of_steps(training: TrainingConfig, plan: StepPlan, rows: int) -> Iterator[Finding]:
    """Settings that do not fit the number of steps."""
    if training.batch_size * training.gradient_accumulation_steps > rows:
        batch = min(training.batch_size, rows)
        yield Finding(
            severity=Severity.WARNING,
            code="batch_beyond_data",
            where="train.config.gradient_accumulation_steps",
            message=f"a step would take more rows than the {rows} there are",
            suggestion={
                "train.config.batch_size": batch,
                "train.config.gradient_accumulation_steps": max(1, rows // batch),
            },
        )
    if training.warmup_steps and training.warmup_steps >= plan.total_steps:
        yield Finding(
            severity=Severity.WARNING,
            code="warmup_beyond_steps",
            where="train.config.warmup_steps",
            message=f"of {plan.total_steps} steps none reaches the learning rate",
            suggestion={"train.config.warmup_steps": plan.total_steps // 10},
        )
    if training.save_steps > plan.total_steps:
        yield Finding(
            severity=Severity.NOTE,
            code="no_checkpoint",
            where="train.config.save_steps",
            message=f"no checkpoint is written before the last of {plan.total_steps} steps",
            suggestion={"train.config.save_steps": max(1, plan.total_steps // 4)},
        )


def of_limits(
    training: TrainingConfig,
    served: RolloutModel,
    text_tokens: int,
    image_tokens: Callable[[int], int],
) -> Iterator[Finding]:
    """What the replicas do not take; a limit of 0 is none.

    `text_tokens` are those of the longest prompt, `image_tokens` those of its image by its longest
    side in pixels.
    """
    for name, limit, what in (
        ("num_generations", served.max_completions, "completions of a prompt"),
        ("max_new_tokens", served.max_new_tokens, "tokens of a completion"),
    ):
        if limit and getattr(training, name) > limit:
            yield Finding(
                severity=Severity.ERROR,
                code={"num_generations": "max_completions"}.get(name, name),
                where=f"train.config.{name}",
                message=f"the rollout replicas give at most {limit} {what}",
                suggestion={f"train.config.{name}": limit},
            )
    lowest, highest = served.min_temperature, served.max_temperature
    if highest and not lowest <= training.temperature <= highest:
        yield Finding(
            severity=Severity.ERROR,
            code="temperature",
            where="train.config.temperature",
            message=f"the rollout replicas sample at temperatures of {lowest:g} to {highest:g}",
            suggestion={
                "train.config.temperature": min(max(training.temperature, lowest), highest)
            },
        )
    limit = served.max_sequence_tokens
    prompt_tokens = text_tokens + image_tokens(training.max_image_size)
    if limit and prompt_tokens + training.max_new_tokens > limit:
        room = limit - training.max_new_tokens - text_tokens
        pixels = _largest_side(training.max_image_size, room, image_tokens)
        yield Finding(
            severity=Severity.ERROR,
            code="max_sequence_tokens",
            where="train.config.max_image_size",
            message=f"a prompt of {prompt_tokens} tokens and {training.max_new_tokens} more are "
            f"beyond the {limit} that the rollout replicas take",
            suggestion={"train.config.max_image_size": pixels} if pixels else {},
        )


def _largest_side(below: int, room: int, image_tokens: Callable[[int], int]) -> int | None:
    """In pixels, of an image that has room; None where none has."""
    sides = range(below // _SIDE_STEP * _SIDE_STEP, 2 * _SIDE_STEP - 1, -_SIDE_STEP)
    return next((side for side in sides if image_tokens(side) <= room), None)


def lacks_variety(base: BaseSample, training: TrainingConfig) -> bool:
    """Whether most groups would teach nothing, though there is something to learn."""
    learnable = base.any_right_rate > 0 and (base.scores.exact_rate or 0.0) < _CEILING
    return learnable and base.varied_group_rate < MOST_GROUPS and not training.is_exact


def of_base(
    base: BaseSample, training: TrainingConfig, warmer: Warmer | None = None
) -> Iterator[Finding]:
    """Whether the rewards show the way; `warmer` is at which temperature more of them would."""
    exact = base.scores.exact_rate or 0.0
    silent = base.scores.parse_failure_rate or 0.0
    if exact >= _CEILING:
        yield Finding(
            severity=Severity.WARNING,
            code="nothing_left_to_learn",
            where="dataset_digest",
            message=f"the base model is right in {exact:.0%} of its answers already; take harder "
            "images",
        )
    elif base.any_right_rate == 0 and not training.is_exact:
        yield Finding(
            severity=Severity.WARNING,
            code="never_right",
            where="dataset_digest",
            message=f"not one answer to {base.num_samples} questions is right, so no reward shows "
            "the way; check the answers in main.csv, or begin with easier images",
        )
    elif lacks_variety(base, training):
        yield Finding(
            severity=Severity.WARNING,
            code="no_variety",
            where="train.config.temperature",
            message=f"at temperature {training.temperature:g} the answers to a question differ in "
            f"{base.varied_group_rate:.0%} of the groups only, and only those teach; "
            + (
                f"at {warmer.temperature:g} they would in {warmer.varied_group_rate:.0%}"
                if warmer
                else "no other temperature helps; take images that the base model is less sure of"
            ),
            suggestion={"train.config.temperature": warmer.temperature} if warmer else {},
        )
    if silent > 0.5:
        yield Finding(
            severity=Severity.WARNING,
            code="no_count_in_answers",
            where="dataset_digest",
            message=f"{silent:.0%} of the base model's answers hold no count; ask in the question "
            "for an answer such as 'A photo of 3 apples'",
        )


def rollouts_away(*, inside: bool) -> Finding:
    """`inside`: a job samples by itself, and nobody else while it runs."""
    no_replica = "no rollout replica answers now, so the base model was not asked; a job would wait"
    no_engine = "the learner's own engine does not answer now, so the base model was not asked"
    return Finding(
        severity=Severity.WARNING,
        code="rollouts_away",
        where="",
        message=no_engine if inside else no_replica,
    )
