"""The service of the contract: checks a request, has it worked out, and gives the result back."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import grpc

from reward_service.convert import (
    answer_of,
    parsed_count_message,
    reward_message,
    scored_answer_message,
)
from reward_service.parse import parse_count
from reward_service.rewards import REWARDS
from reward_service.score import score_answer
from reward_service.validate import (
    check_texts,
    check_true_count,
    weighted_rewards,
)
from tally.reward.v1 import reward_pb2, reward_pb2_grpc
from tally.rpc.batches import batches

SERVICE_NAME = reward_pb2.DESCRIPTOR.services_by_name["RewardService"].full_name
_CHUNK, _CHUNK_CHARACTERS = 500, 20_000

Item = TypeVar("Item")
Result = TypeVar("Result")


class RewardServicer(reward_pb2_grpc.RewardServiceServicer):
    async def Score(
        self, request: reward_pb2.ScoreRequest, context: grpc.aio.ServicerContext
    ) -> reward_pb2.ScoreResponse:
        check_texts("answers", [answer.text for answer in request.answers], attribute=".text")
        for index, answer in enumerate(request.answers):
            check_true_count(f"answers[{index}].true_count", answer.true_count)
        rewards = weighted_rewards((weighted.name, weighted.weight) for weighted in request.rewards)
        scored = await _map(
            lambda answer: score_answer(answer, rewards),
            [answer_of(answer) for answer in request.answers],
            size=lambda answer: len(answer.text),
        )
        messages = [scored_answer_message(answer) for answer in scored]
        return reward_pb2.ScoreResponse(scored_answers=messages)

    async def Parse(
        self, request: reward_pb2.ParseRequest, context: grpc.aio.ServicerContext
    ) -> reward_pb2.ParseResponse:
        check_texts("texts", request.texts)
        parsed = await _map(parse_count, list(request.texts), size=len)
        messages = [parsed_count_message(parsed_count) for parsed_count in parsed]
        return reward_pb2.ParseResponse(parsed_counts=messages)

    async def ListRewards(
        self, request: reward_pb2.ListRewardsRequest, context: grpc.aio.ServicerContext
    ) -> reward_pb2.ListRewardsResponse:
        rewards = [reward_message(reward) for reward in REWARDS.values()]
        return reward_pb2.ListRewardsResponse(rewards=rewards)


async def _map(
    work: Callable[[Item], Result], items: Sequence[Item], *, size: Callable[[Item], int]
) -> list[Result]:
    """`work` of each item, in order, off the event loop.

    A chunk at a time, so that a call whose client is gone ends soon and health keeps answering.
    """
    results: list[Result] = []
    for chunk in batches(items, most=_CHUNK, most_in_all=_CHUNK_CHARACTERS, size=size):
        results += await asyncio.to_thread(lambda chunk: [work(item) for item in chunk], chunk)
    return results
