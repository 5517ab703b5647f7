"""What a worker asks: rollouts that are made up, and the real reward service."""

import json
import threading
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
from transformers import AutoTokenizer

from learner_service.clients.background import BackgroundLoop
from reward_service.servicer import SERVICE_NAME, RewardServicer
from tally.reward.v1.reward_pb2_grpc import add_RewardServiceServicer_to_server
from tally.rollout.v1 import rollout_pb2 as pb
from tally.rollout.v1.rollout_pb2_grpc import (
    RolloutServiceServicer,
    add_RolloutServiceServicer_to_server,
)
from tally.rpc.digests import vocabulary_fingerprint
from tally.rpc.settings import ClientSettings
from tests.fakes.rollout import FakeRollouts
from tests.fakes.serving import serve

_ROLLOUT_NAME = "tally.rollout.v1.RolloutService"


class NotingRollouts(FakeRollouts):
    """Says "A photo of 3 apples" to everything, and notes what it was asked with.

    From the temperature `varies_from` on the last answer of a group is "A photo of 4 apples".
    """

    def __init__(self, policy_path: Path) -> None:
        super().__init__()
        tokenizer = AutoTokenizer.from_pretrained(policy_path)
        self._fingerprint = vocabulary_fingerprint(tokenizer.get_vocab())
        self._answer = tokenizer("A photo of 3 apples")["input_ids"]
        self._other_answer = tokenizer("A photo of 4 apples")["input_ids"]
        self.varies_from = 100.0
        self.temperatures: list[float] = []
        self._closing_id = tokenizer.eos_token_id
        self.images: dict[str, set[str]] = defaultdict(set)
        self.prompts: set[tuple[int, ...]] = set()
        self.answers_greedily = True
        self.max_temperature = 10.0

    def end_answers(self) -> None:
        """From now on their last token is a closing one."""
        self._answer = [*self._answer, self._closing_id]

    async def GetModel(
        self, request: pb.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetModelResponse:
        return pb.GetModelResponse(
            base_model="small",
            vocabulary_fingerprint=self._fingerprint,
            max_temperature=self.max_temperature,
        )

    async def Generate(
        self, request: pb.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> pb.GenerateResponse:
        greedy = "adapter" if request.adapter_digest else "base"
        how = greedy if request.sampling.temperature == 0 else "training"
        if how != "training" and not self.answers_greedily:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        self.images[how].add(request.image_digest)
        self.prompts.add(tuple(request.prompt_token_ids))
        self.temperatures.append(request.sampling.temperature)
        answers = [self._answer] * request.num_completions
        if request.sampling.temperature >= self.varies_from:
            answers[-1] = self._other_answer
        return pb.GenerateResponse(
            completions=[
                pb.Completion(
                    token_ids=answer,
                    log_probabilities=[-0.5] * len(answer),
                    finish_reason=pb.FINISH_REASON_STOP,
                    adapter_digest=request.adapter_digest,
                )
                for answer in answers
            ]
        )


class WorkerServices:
    """Both services on an event loop of their own, as a worker meets them."""

    def __init__(
        self,
        rollouts: RolloutServiceServicer,
        host: str = "127.0.0.1",
        secret: str | None = None,
    ) -> None:
        self._host = host
        self._secret = secret
        self._loop = BackgroundLoop(threading.Event())
        self._running = AsyncExitStack()
        self.rollout, self.reward = self._loop.run(self._start(rollouts))

    async def _start(self, rollouts: RolloutServiceServicer) -> list[ClientSettings]:
        place = self._host, self._secret
        servers = [
            serve(add_RolloutServiceServicer_to_server, rollouts, _ROLLOUT_NAME, *place),
            serve(add_RewardServiceServicer_to_server, RewardServicer(), SERVICE_NAME, *place),
        ]
        ports = [(await self._running.enter_async_context(server)).port for server in servers]
        return [ClientSettings(target=f"{self._host}:{port}") for port in ports]

    def learner_options(self, model: Path) -> list[str]:
        """Those of a learner's command line: whom it asks, and for which model."""
        targets = ["--rollout.target", self.rollout.target, "--reward.target", self.reward.target]
        return [*targets, "--models", json.dumps([str(model)])]

    def close(self) -> None:
        self._loop.run(self._running.aclose())
        self._loop.close()
