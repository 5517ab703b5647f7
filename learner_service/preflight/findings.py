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
from tally.messages.message import Message

_CEILING = 0.97
_FEWEST_ROWS = 20
_SIDE_STEP = 28


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`suggestion`: fields of the spec, such as train.config.batch_size, with values that fit.

    `code` names what is found; its message may be one of several that say it.
    """

    severity: Severity
    code: str
    where: str
    message: Message
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
            message=Message("unbalanced_counts", most=most, rows=rows, count=count),
        )
    if training_rows < _FEWEST_ROWS:
        yield Finding(
            severity=Severity.WARNING,
            code="few_rows",
            where="dataset_digest",
            message=Message("few_rows", rows=training_rows),
        )
    if training.held_out_share and not held_out:
        yield Finding(
            severity=Severity.NOTE,
            code="nothing_held_out",
            where="train.evaluation_share",
            message=Message("nothing_held_out"),
        )


def of_steps(training: TrainingConfig, plan: StepPlan, rows: int) -> Iterator[Finding]:
    """Settings that do not fit the number of steps."""
    if training.batch_size * training.gradient_accumulation_steps > rows:
        batch = min(training.batch_size, rows)
        yield Finding(
            severity=Severity.WARNING,
            code="batch_beyond_data",
            where="train.config.gradient_accumulation_steps",
            message=Message("batch_beyond_data", rows=rows),
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
            message=Message("warmup_beyond_steps", steps=plan.total_steps),
            suggestion={"train.config.warmup_steps": plan.total_steps // 10},
        )
    if training.save_steps > plan.total_steps:
        yield Finding(
            severity=Severity.NOTE,
            code="no_checkpoint",
            where="train.config.save_steps",
            message=Message("no_checkpoint", steps=plan.total_steps),
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
    for name, limit, said in (
        ("num_generations", served.max_completions, "most_completions"),
        ("max_new_tokens", served.max_new_tokens, "most_new_tokens"),
    ):
        if limit and getattr(training, name) > limit:
            yield Finding(
                severity=Severity.ERROR,
                code={"num_generations": "max_completions"}.get(name, name),
                where=f"train.config.{name}",
                message=Message(said, most=limit),
                suggestion={f"train.config.{name}": limit},
            )
    lowest, highest = served.min_temperature, served.max_temperature
    if highest and not lowest <= training.temperature <= highest:
        yield Finding(
            severity=Severity.ERROR,
            code="temperature",
            where="train.config.temperature",
            message=Message("temperatures_taken", lowest=lowest, highest=highest),
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
            message=Message(
                "prompt_too_long", prompt=prompt_tokens, more=training.max_new_tokens, most=limit
            ),
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
            message=Message("base_right_already", right=exact),
        )
    elif base.any_right_rate == 0 and not training.is_exact:
        yield Finding(
            severity=Severity.WARNING,
            code="never_right",
            where="dataset_digest",
            message=Message("never_right", questions=base.num_samples),
        )
    elif lacks_variety(base, training):
        yield Finding(
            severity=Severity.WARNING,
            code="no_variety",
            where="train.config.temperature",
            message=_few_differ(base, training.temperature, warmer),
            suggestion={"train.config.temperature": warmer.temperature} if warmer else {},
        )
    if silent > 0.5:
        yield Finding(
            severity=Severity.WARNING,
            code="no_count_in_answers",
            where="dataset_digest",
            message=Message("no_count_in_answers", silent=silent),
        )


def _few_differ(base: BaseSample, temperature: float, warmer: Warmer | None) -> Message:
    varied = base.varied_group_rate
    if warmer is None:
        return Message("no_variety_at_any", temperature=temperature, varied=varied)
    return Message(
        "no_variety",
        temperature=temperature,
        varied=varied,
        warmer=warmer.temperature,
        warmer_varied=warmer.varied_group_rate,
    )


def rollouts_away(*, inside: bool) -> Finding:
    """`inside`: a job samples by itself, and nobody else while it runs."""
    return Finding(
        severity=Severity.WARNING,
        code="rollouts_away",
        where="",
        message=Message("engine_away" if inside else "replicas_away"),
    )
