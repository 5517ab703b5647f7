"""The service of the contract: checks a request, has it worked out, and gives the result back."""

from collections.abc import Sequence

import grpc

from reward_service.convert import (
    answer_of,
    parsed_count_message,
    reward_message,
    scored_answer_message,
)
from reward_service.installed.installed_reward import InstalledReward
from reward_service.installed.installed_rewards import InstalledRewards
from reward_service.metrics import RewardMetrics
from reward_service.off_loop import map_off_loop
from reward_service.parse import parse_count
from reward_service.read_answer import ReadAnswer
from reward_service.rewards import REWARDS, BuiltInReward, Reward
from reward_service.score import Answer, ScoredAnswer, WeightedReward, add_up, parse_answer
from reward_service.validate import (
    check_texts,
    check_true_count,
    weighted_rewards,
)
from tally.reward.v1 import reward_pb2, reward_pb2_grpc
from tally.traces.spans import span

SERVICE_NAME = reward_pb2.DESCRIPTOR.services_by_name["RewardService"].full_name


class RewardServicer(reward_pb2_grpc.RewardServiceServicer):
    """Without `installed` it knows the rewards that are built in."""

    def __init__(self, installed: InstalledRewards | None = None) -> None:
        self.metrics = RewardMetrics()
        self._installed = installed or InstalledRewards()

    async def Score(
        self, request: reward_pb2.ScoreRequest, context: grpc.aio.ServicerContext
    ) -> reward_pb2.ScoreResponse:
        check_texts("answers", [answer.text for answer in request.answers], attribute=".text")
        for index, answer in enumerate(request.answers):
            check_true_count(f"answers[{index}].true_count", answer.true_count)
        rewards = weighted_rewards(
            [(weighted.name, weighted.weight) for weighted in request.rewards],
            self._installed.by_name,
        )
        with self.metrics.time_score(), span("score", answers=len(request.answers)):
            scored = await _score([answer_of(answer) for answer in request.answers], rewards)
        self.metrics.note_scored(scored)
        messages = [scored_answer_message(answer) for answer in scored]
        return reward_pb2.ScoreResponse(scored_answers=messages)

    async def Parse(
        self, request: reward_pb2.ParseRequest, context: grpc.aio.ServicerContext
    ) -> reward_pb2.ParseResponse:
        check_texts("texts", request.texts)
        with span("parse", texts=len(request.texts)):
            parsed = await map_off_loop(parse_count, list(request.texts), size=len)
        self.metrics.note_parsed(parsed)
        messages = [parsed_count_message(parsed_count) for parsed_count in parsed]
        return reward_pb2.ParseResponse(parsed_counts=messages)

    async def ListRewards(
        self, request: reward_pb2.ListRewardsRequest, context: grpc.aio.ServicerContext
    ) -> reward_pb2.ListRewardsResponse:
        known = [*REWARDS.values(), *self._installed.by_name.values()]
        rewards = [reward_message(reward) for reward in known]
        return reward_pb2.ListRewardsResponse(rewards=rewards)


async def _score(
    answers: Sequence[Answer], rewards: Sequence[WeightedReward[Reward]]
) -> list[ScoredAnswer]:
    parsed = await map_off_loop(parse_answer, answers, size=lambda answer: len(answer.text))
    read = [one.read for one in parsed]
    values = [await _values(weighted.reward, read) for weighted in rewards]
    of_each = zip(*values, strict=True)
    return [add_up(one, rewards, given) for one, given in zip(parsed, of_each, strict=True)]


async def _values(reward: Reward, answers: Sequence[ReadAnswer]) -> list[float]:
    """One for each answer. Raises RewardFailed."""
    match reward:
        case BuiltInReward(value=value):
            return await map_off_loop(value, answers, size=lambda answer: len(answer.text))
        case InstalledReward():
            return await reward.values(answers)
    raise TypeError(reward)
