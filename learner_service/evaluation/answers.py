"""What base and adapter said to the same sample."""

from dataclasses import dataclass

from learner_service.clients.rewards import Score
from learner_service.data.dataset import Sample


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a model said to a sample, and how it was scored."""

    text: str
    score: Score


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A sample with the answers of both models."""

    sample: Sample
    base: Answered
    adapter: Answered
