"""What an optimizer step measures: the name and the text of each figure, stated once.

A name that ends in `_rate` (but for the learning rate) is a share, one in `_seconds` a
time. The event log, REST, the page and docs/api.md take them from here; tests hold learner.proto
and what is shown of them against it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Self

from pydantic import Field
from pydantic.dataclasses import dataclass

# A figure by the name of what it is of.
ByName = dict[str, float]
Measured = float | ByName
Figure = float | None


@dataclass(frozen=True, kw_only=True)
class StepMetrics:
    """What one optimizer step measured.

    None where it was not a finite number, or where the step is older than the figure.
    """

    epoch: Figure = Field(None, description="Passes over the data so far, with fractions.")
    loss: Figure = Field(None, description="The loss.")
    reward_mean: Figure = Field(None, description="Mean of the rewards.")
    reward_std: Figure = Field(None, description="Standard deviation of the rewards.")
    exact_rate: Figure = Field(None, description="Share of answers with the true count, in [0, 1].")
    mean_absolute_count_error: Figure = Field(
        None, description="Mean |count - true count| over the answers that hold a count."
    )
    median_absolute_count_error: Figure = Field(
        None, description="Median |count - true count| over the answers that hold a count."
    )
    far_off_rate: Figure = Field(
        None, description="Share of answers whose count is more than 5 off, in [0, 1]."
    )
    parse_failure_rate: Figure = Field(
        None, description="Share of answers without a count, in [0, 1]."
    )
    zero_variance_group_rate: Figure = Field(
        None, description="Share of groups whose rewards are all equal, in [0, 1]."
    )
    entropy: Figure = Field(None, description="Mean entropy of the token distributions, in nats.")
    kl: Figure = Field(
        None,
        description="Mean k3 estimate of the divergence from the base model, in nats; null "
        "where beta is 0.",
    )
    clip_low_rate: Figure = Field(
        None, description="Share of tokens clipped from below, in [0, 1]."
    )
    clip_high_rate: Figure = Field(
        None, description="Share of tokens clipped from above, in [0, 1]."
    )
    gradient_norm: Figure = Field(None, description="Norm of the gradient before clipping.")
    learning_rate: Figure = Field(None, description="The learning rate of the step.")
    completion_length_mean: Figure = Field(None, description="Mean tokens per completion.")
    log_probability_gap: Figure = Field(
        None, description="Mean |engine's - learner's log-probability| per token, in nats."
    )
    rollout_seconds: Figure = Field(
        None,
        description="Seconds from asking for completions to having them; with staleness above 0 "
        "most of them pass while earlier steps are learnt from.",
    )
    reward_seconds: Figure = Field(
        None,
        description="Seconds from the last completion to the last score; earlier answers are "
        "scored meanwhile.",
    )
    learning_seconds: Figure = Field(
        None, description="Seconds of forward, backward and optimizer, without waiting."
    )
    step_seconds: Figure = Field(None, description="Seconds of the whole step.")
    samples_per_second: Figure = Field(
        None, description="Completions per second of the whole step."
    )
    tokens_per_second: Figure = Field(
        None, description="Sampled tokens per second of the whole step."
    )
    waiting_seconds: Figure = Field(
        None,
        description="Seconds in which the learner had nothing to do but wait for completions "
        "and scores.",
    )
    staleness_mean: Figure = Field(
        None, description="Mean number of optimizer steps by which the samples' adapter was behind."
    )
    importance_ratio_mean: Figure = Field(
        None,
        description="Mean ratio of the learner's probability of a token to the engine's, before "
        "truncation; 1 where there is no importance correction.",
    )
    importance_truncated_rate: Figure = Field(
        None, description="Share of tokens whose ratio was cut off at importance_cap, in [0, 1]."
    )
    skipped_group_rate: Figure = Field(
        None, description="Share of groups without a forward and backward pass, in [0, 1]."
    )
    refilled_group_rate: Figure = Field(
        None, description="Share of groups that another prompt was sampled for, in [0, 1]."
    )
    reward_share_by_component: ByName = Field(
        default_factory=dict,
        description="What each reward adds to reward_mean: its weight times its mean, by its name.",
    )
    reward_mean_by_component: ByName = Field(
        default_factory=dict,
        description="Mean of each reward by itself, before its weight, by its name.",
    )
    outside_mass_mean: Figure = Field(
        None,
        description="Mean probability of the answers beside those that were written out; null "
        "where all were sampled.",
    )
    expected_reward_mean: Figure = Field(
        None,
        description="Mean expected reward over the answers that were written out, by their "
        "probabilities; null where all were sampled.",
    )
    sampled_completions: Figure = Field(
        None,
        description="Completions that the step sampled, those of prompts that were refilled among "
        "them.",
    )

    @classmethod
    def of(cls, measured: Mapping[str, Measured]) -> Self:
        """The figures of one step; raises ValueError where they are not those stated above."""
        stated = {field.name for field in fields(cls)}
        if wrong := sorted(stated ^ measured.keys()):
            raise ValueError(f"metrics that were not measured, or not stated: {', '.join(wrong)}")
        figures: dict[str, Any] = {name: _finite(figure) for name, figure in measured.items()}
        return cls(**figures)


def flat_figures(measured: Mapping[str, Measured]) -> ByName:
    """The finite ones, each by one name: those by name as `metric/name`."""
    return dict(_flat(measured))


def _finite(figure: Measured) -> Measured | None:
    """NaN is how it is computed, None is how it is told."""
    if isinstance(figure, dict):
        return {name: value for name, value in figure.items() if math.isfinite(value)}
    return figure if math.isfinite(figure) else None


def _flat(measured: Mapping[str, Measured]) -> Iterator[tuple[str, float]]:
    for metric, figure in measured.items():
        if isinstance(figure, dict):
            yield from _flat({f"{metric}/{name}": value for name, value in figure.items()})
        elif math.isfinite(figure):
            yield metric, figure
