"""Between the contract's messages and this service's dataclasses."""

from reward_service.installed.installed_reward import InstalledReward
from reward_service.parsed_count import NoCountReason, ParsedCount
from reward_service.rewards import Reward
from reward_service.score import Answer, Component, ScoredAnswer
from tally.reward.v1 import reward_pb2


def answer_of(message: reward_pb2.Answer) -> Answer:
    return Answer(text=message.text, true_count=message.true_count)


def reason_message(reason: NoCountReason | None) -> reward_pb2.NoCountReason.ValueType:
    name = "UNSPECIFIED" if reason is None else reason.name
    return reward_pb2.NoCountReason.Value(f"NO_COUNT_REASON_{name}")


def parsed_count_message(parsed_count: ParsedCount) -> reward_pb2.ParsedCount:
    span = parsed_count.span
    return reward_pb2.ParsedCount(
        count=parsed_count.count,
        no_count_reason=reason_message(parsed_count.reason),
        explanation=parsed_count.explanation,
        span=reward_pb2.CountSpan(start=span[0], end=span[1]) if span else None,
    )


def component_message(component: Component) -> reward_pb2.RewardComponent:
    return reward_pb2.RewardComponent(
        name=component.name, value=component.value, weight=component.weight
    )


def scored_answer_message(scored: ScoredAnswer) -> reward_pb2.ScoredAnswer:
    return reward_pb2.ScoredAnswer(
        parsed_count=parsed_count_message(scored.parsed_count),
        difference=scored.difference,
        reward=scored.reward,
        components=[component_message(component) for component in scored.components],
    )


def reward_message(reward: Reward) -> reward_pb2.Reward:
    message = reward_pb2.Reward(name=reward.name, description=reward.description)
    if isinstance(reward, InstalledReward):
        message.package, message.fault = reward.package, reward.fault
    return message
