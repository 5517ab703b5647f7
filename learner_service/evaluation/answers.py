"""What base and adapter said to the same row."""

from dataclasses import dataclass

from learner_service.clients.rewards import Score
from learner_service.data.dataset import Row


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a model said to a row, and how it was scored."""

    text: str
    score: Score


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A row with the answers of both models."""

    row: Row
    base: Answered
    adapter: Answered
