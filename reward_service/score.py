"""Answers and weighted rewards to scored answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from reward_service.parse import parse_count
from reward_service.parsed_count import ParsedCount
from reward_service.read_answer import ReadAnswer
from reward_service.rewards import DEFAULT_REWARD, REWARDS, BuiltInReward, Reward

R_co = TypeVar("R_co", bound=Reward, covariant=True)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model said, and how many objects there are (0 or more)."""

    text: str
    true_count: int


@dataclass(frozen=True, kw_only=True)
class WeightedReward(Generic[R_co]):
    """A reward and its factor, which is finite."""

    reward: R_co
    weight: float


@dataclass(frozen=True, kw_only=True)
class Component:
    """One reward of one answer: its name, its value, and the weight it counts with."""

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


@dataclass(frozen=True, kw_only=True)
class ParsedAnswer:
    """What the parser says of an answer, and what a reward is told."""

    parsed_count: ParsedCount
    read: ReadAnswer


DEFAULT_REWARDS = (WeightedReward(reward=REWARDS[DEFAULT_REWARD], weight=1.0),)


def parse_answer(answer: Answer) -> ParsedAnswer:
    parsed_count = parse_count(answer.text)
    count = parsed_count.count
    difference = None if count is None else abs(count - answer.true_count)
    read = ReadAnswer(
        text=answer.text, true_count=answer.true_count, count=count, difference=difference
    )
    return ParsedAnswer(parsed_count=parsed_count, read=read)


def score_answer(answer: Answer, rewards: Sequence[WeightedReward[BuiltInReward]]) -> ScoredAnswer:
    """Reads the count, then adds up the rewards, each times its weight."""
    parsed = parse_answer(answer)
    values = [weighted.reward.value(parsed.read) for weighted in rewards]
    return add_up(parsed, rewards, values)


def add_up(
    parsed: ParsedAnswer, rewards: Sequence[WeightedReward[Reward]], values: Sequence[float]
) -> ScoredAnswer:
    """`values` are those of the rewards, in their order."""
    components = tuple(
        Component(name=weighted.reward.name, value=value, weight=weighted.weight)
        for weighted, value in zip(rewards, values, strict=True)
    )
    return ScoredAnswer(
        parsed_count=parsed.parsed_count,
        difference=parsed.read.difference,
        reward=sum((part.value * part.weight for part in components), start=0.0),
        components=components,
    )
