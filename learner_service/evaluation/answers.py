"""What base and adapter said to the same row."""

from dataclasses import dataclass

from learner_service.clients.rewards import Score
from learner_service.data.dataset import Row


@dataclass(frozen=True, kw_only=True)
class ScoredAnswer:
    """What a model said to a row, how it was scored, and how probable it was, word for word, at
    temperature 1."""

    text: str
    score: Score
    probability: float


@dataclass(frozen=True, kw_only=True)
class RowAnswers:
    """A row with the answers of both models."""

    row: Row
    base: ScoredAnswer
    adapter: ScoredAnswer
