"""answers, true counts → rewards: the client of reward.v1."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import grpc

from learner_service.clients.retry import Retry
from learner_service.errors import RewardsUnavailable
from tally.job.settings import RewardWeight
from tally.reward.v1 import reward_pb2, reward_pb2_grpc
from tally.rpc.batches import batches
from tally.rpc.errors import Unavailable, translate_errors

IDEMPOTENT_METHODS = ("tally.reward.v1.RewardService/Score",)
_MOST_ANSWERS, _MOST_CHARACTERS = 4096, 500_000
_MAX_ANSWER_CHARACTERS = 100_000

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class Score:
    """An answer's count, or why it holds none; how far off it is, and its reward.

    `components` says what each reward adds to it, its weight times its value, and `values` what
    that is without the weight; `span` from which
    character of the answer to which (exclusive) its count stands, None where it has no such place.
    """

    count: int | None
    difference: int | None
    reward: float
    explanation: str = ""
    components: dict[str, float] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    span: tuple[int, int] | None = None


class RewardClient:
    """Scores answers; a reward that isn't a finite number is a fault, never a 0."""

    def __init__(self, channel: grpc.aio.Channel, retry: Retry) -> None:
        self._stub = reward_pb2_grpc.RewardServiceStub(channel)
        self._retry = retry

    async def score(
        self,
        texts: Sequence[str],
        true_counts: Sequence[int],
        rewards: Sequence[RewardWeight] = (),
    ) -> list[Score]:
        """One score for each text, in order. Raises RewardsUnavailable after the bound.

        Of a text beyond the contract's 100,000 characters the end is scored: what it comes to.
        """
        answers = [
            reward_pb2.Answer(text=text[-_MAX_ANSWER_CHARACTERS:], true_count=true_count)
            for text, true_count in zip(texts, true_counts, strict=True)
        ]
        weights = [reward_pb2.WeightedReward(name=r.name, weight=r.weight) for r in rewards]
        scores: list[Score] = []
        for batch in batches(
            answers, most=_MOST_ANSWERS, most_in_all=_MOST_CHARACTERS, size=lambda a: len(a.text)
        ):
            scores += await self._score(reward_pb2.ScoreRequest(answers=batch, rewards=weights))
        return scores

    async def faults(self) -> dict[str, str]:
        """By name of each reward that there is, why it can't be used, or nothing.

        Raises RewardsUnavailable after the bound.
        """
        response = await self._within_bound(self._list)
        return {reward.name: reward.fault for reward in response.rewards}

    async def _list(self) -> reward_pb2.ListRewardsResponse:
        async with translate_errors():
            request = reward_pb2.ListRewardsRequest()
            response: reward_pb2.ListRewardsResponse = await self._stub.ListRewards(request)
            return response

    async def _score(self, request: reward_pb2.ScoreRequest) -> list[Score]:
        return await self._within_bound(lambda: self._call(request))

    async def _within_bound(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            return await self._retry.call(call)
        except Unavailable as error:
            message = "the reward service did not answer within the bound"
            raise RewardsUnavailable(message) from error

    async def _call(self, request: reward_pb2.ScoreRequest) -> list[Score]:
        async with translate_errors():
            response = await self._stub.Score(request)
        scored = response.scored_answers
        if len(scored) != len(request.answers) or not all(math.isfinite(s.reward) for s in scored):
            raise Unavailable("the reward service answered without a finite reward for each answer")
        return [_score_of(answer) for answer in scored]


def _score_of(answer: reward_pb2.ScoredAnswer) -> Score:
    parsed = answer.parsed_count
    return Score(
        count=parsed.count if parsed.HasField("count") else None,
        difference=answer.difference if answer.HasField("difference") else None,
        reward=answer.reward,
        explanation="" if parsed.HasField("count") else parsed.explanation,
        components={part.name: part.weight * part.value for part in answer.components},
        values={part.name: part.value for part in answer.components},
        span=(parsed.span.start, parsed.span.end) if parsed.HasField("span") else None,
    )
