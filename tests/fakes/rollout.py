"""A rollout service that fails on purpose."""

import asyncio

import grpc

from tally.rollout.v1 import rollout_pb2 as pb
from tally.rollout.v1 import rollout_pb2_grpc


class FakeRollouts(rollout_pb2_grpc.RolloutServiceServicer):
    """Answers every prompt with its own first token; `fault` says how it misbehaves.

    It has room for `room` groups at once, each of which takes a moment.
    """

    def __init__(self, fault: str = "", times: int = 10**9, room: int = 10**9) -> None:
        self._fault = fault
        self._times = times
        self._room = room
        self._in_progress = 0
        self._times_full = 0
        self.calls = 0
        self.answers = 0

    async def GetModel(
        self, request: pb.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetModelResponse:
        return pb.GetModelResponse(base_model="fake", engine="fake", barred_token_ids=[3])

    async def Generate(
        self, request: pb.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> pb.GenerateResponse:
        self.calls += 1
        fault = self._fault if self.calls <= self._times else ""
        if fault == "away":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "ipv4:10.0.0.1:9 refused")
        if fault == "hangs":
            await asyncio.sleep(3600)
        if self._in_progress >= self._room:
            self._times_full += 1
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no room")
        self._in_progress += 1
        times_full = self._times_full
        self._times_full += self._in_progress >= self._room
        await asyncio.sleep(0.01)
        self._in_progress -= 1
        self.answers += 1
        digest = "f" * 64 if fault == "another adapter" else request.adapter_digest
        number = request.num_completions - (fault == "one too few")
        logps = [] if fault == "no log-probability" else [-0.5]
        completion = pb.Completion(
            token_ids=[request.prompt_token_ids[0]],
            log_probabilities=logps,
            finish_reason=pb.FINISH_REASON_STOP,
            adapter_digest=digest,
        )
        return pb.GenerateResponse(
            completions=[completion] * number, full=self._times_full > times_full
        )
