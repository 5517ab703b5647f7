"""What base and adapter said to the same row."""

from dataclasses import dataclass

from learner_service.clients.rewards import Score
from learner_service.data.dataset import Row


@dataclass(frozen=True, kw_only=True)
class ScoredAnswer:
    """What a model said to a row, and how it was scored."""

    text: str
    score: Score


@dataclass(frozen=True, kw_only=True)
class RowAnswers:
    """A row with the answers of both models."""

    row: Row
    base: ScoredAnswer
    adapter: ScoredAnswer
