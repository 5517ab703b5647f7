"""A reward service that fails on purpose."""

import asyncio

import grpc

from tally.reward.v1 import reward_pb2 as pb
from tally.reward.v1 import reward_pb2_grpc


class FakeRewards(reward_pb2_grpc.RewardServiceServicer):
    """Gives every answer 0.85; the first `times` calls misbehave as `fault` says."""

    def __init__(self, fault: str = "", times: int = 10**9) -> None:
        self._fault = fault
        self._times = times
        self.calls = 0

    async def Score(
        self, request: pb.ScoreRequest, context: grpc.aio.ServicerContext
    ) -> pb.ScoreResponse:
        self.calls += 1
        fault = self._fault if self.calls <= self._times else ""
        if fault == "away":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "ipv4:10.0.0.1:9 refused")
        if fault == "hangs":
            await asyncio.sleep(3600)
        reward = float("nan") if fault == "not a number" else 0.85
        scored = pb.ScoredAnswer(
            parsed_count=pb.ParsedCount(count=2),
            difference=1,
            reward=reward,
            components=[pb.RewardComponent(name="progressive_count", value=reward, weight=1.0)],
        )
        number = len(request.answers) - (fault == "one too few")
        return pb.ScoreResponse(scored_answers=[scored] * number)
