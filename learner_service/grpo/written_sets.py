"""What is written out of a prompt's answers, and what is sampled beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from learner_service.clients.rollouts import Completion


@dataclass(frozen=True, kw_only=True)
class WrittenSet:
    """That a group's completions are the answers that hold each count, with their rewards.

    They stand for `stands_for` samples; `seed` makes what is sampled beside them repeatable.
    """

    rewards: tuple[float, ...]
    stands_for: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class OutsideAnswers:
    """Those of a prompt's sampled answers that its set does not hold, and their rewards."""

    completions: Sequence[Completion]
    rewards: Sequence[float]
