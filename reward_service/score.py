"""Answers and weighted rewards to scored answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from reward_service.parse import parse_count
from reward_service.parsed_count import ParsedCount
from reward_service.rewards import DEFAULT_REWARD, REWARDS, Reading, Reward


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model said, and how many objects there are (0 or more)."""

    text: str
    true_count: int


@dataclass(frozen=True, kw_only=True)
class WeightedReward:
    """A reward and its factor, which is finite."""

    reward: Reward
    weight: float


@dataclass(frozen=True, kw_only=True)
class Component:
    """One reward of one answer: its name, its value in [0, 1], and the weight it counts with."""

    name: str
    value: float
    weight: float


@dataclass(frozen=True, kw_only=True)
class ScoredAnswer:
    """`difference` is |count - true count|, None without a count; `reward` the weighted sum."""

    parsed_count: ParsedCount
    difference: int | None
    reward: float
    components: tuple[Component, ...]


DEFAULT_REWARDS = (WeightedReward(reward=REWARDS[DEFAULT_REWARD], weight=1.0),)


def score_answer(answer: Answer, rewards: Sequence[WeightedReward]) -> ScoredAnswer:
    """Reads the count, then adds up the rewards, each times its weight."""
    parsed_count = parse_count(answer.text)
    count = parsed_count.count
    difference = None if count is None else abs(count - answer.true_count)
    reading = Reading(text=answer.text, parsed_count=parsed_count, difference=difference)
    components = tuple(_component(reading, weighted) for weighted in rewards)
    return ScoredAnswer(
        parsed_count=parsed_count,
        difference=difference,
        reward=sum((part.value * part.weight for part in components), start=0.0),
        components=components,
    )


def _component(reading: Reading, weighted: WeightedReward) -> Component:
    value = weighted.reward.value(reading)
    return Component(name=weighted.reward.name, value=value, weight=weighted.weight)
