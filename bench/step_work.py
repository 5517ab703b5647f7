"""What is done in a step, and whether two sides did as much."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from statistics import fmean
from typing import Self

from tally.learner.v1 import learner_pb2 as pb


class UnequalWork(SystemExit):
    """One side sampled or learnt from more than the other: a ratio of times would mislead."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Of one step: mean tokens of a completion, completions learnt from, groups skipped."""

    tokens: float
    learnt: int
    skipped: int

    @classmethod
    def of_metrics(cls, metrics: pb.StepMetrics, prompts: int, group: int) -> Self:
        """Of a step of Tally's over `prompts` groups of `group` completions."""
        skipped = round(metrics.skipped_group_rate * prompts)
        learnt = (prompts - skipped) * group
        return cls(tokens=metrics.completion_length_mean, learnt=learnt, skipped=skipped)

    @classmethod
    def of_lengths(cls, lengths: Sequence[int]) -> Self:
        """Of a step that learns from all completions, which have these lengths in tokens."""
        return cls(tokens=fmean(lengths), learnt=len(lengths), skipped=0)

    @staticmethod
    def means(of_steps: Sequence["Work"]) -> list[float]:
        return [fmean(values) for values in zip(*map(astuple, of_steps), strict=True)]


def check_equal(*sides: Sequence[Work]) -> None:
    """Raises UnequalWork unless every step of every side did the same."""
    done = {work for side in sides for work in side}
    if len(done) != 1:
        told = "; ".join(
            f"{work.tokens:.2f} tokens a completion, {work.learnt} completions learnt from"
            for work in sorted(done, key=astuple)
        )
        raise UnequalWork(f"The steps differ, so no ratio is told: {told}.")
