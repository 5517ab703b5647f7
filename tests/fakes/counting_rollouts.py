"""A rollout service that counts by its seed: repeatable, in scrambled order, and it can hang."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import grpc
from transformers import AutoTokenizer

from tally.rollout.v1 import rollout_pb2 as pb
from tally.rollout.v1 import rollout_pb2_grpc
from tally.rpc.digests import vocabulary_fingerprint


class CountingRollouts(rollout_pb2_grpc.RolloutServiceServicer):
    """`same_answers` says of a seed whether all completions of its group are alike, `greedy_count`
    of an adapter's digest what it says to everything greedily."""

    def __init__(
        self,
        encode: Callable[[str], list[int]],
        same_answers: Callable[[int], bool] = lambda seed: seed % 3 == 0,
        greedy_count: Callable[[str], int] | None = None,
    ) -> None:
        self._greedy_count = greedy_count
        self._encode = encode
        self._same_answers = same_answers
        self.requests: list[pb.GenerateRequest] = []
        self.hangs_after = 10**9
        self.hanging = threading.Event()
        self.cancelled = 0

    async def Generate(
        self, request: pb.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> pb.GenerateResponse:
        self.requests.append(request)
        try:
            if len(self.requests) > self.hangs_after:
                self.hanging.set()
                await asyncio.Event().wait()
            await asyncio.sleep(Random(request.sampling.seed).uniform(0.0, 0.02))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return pb.GenerateResponse(completions=self._completions(request))

    def _completions(self, request: pb.GenerateRequest) -> list[pb.Completion]:
        random = Random(request.sampling.seed)
        counts = [random.randint(1, 12) for _ in range(request.num_completions)]
        if self._same_answers(request.sampling.seed):
            counts = [counts[0]] * len(counts)
        if self._greedy_count and request.sampling.temperature == 0:
            counts = [self._greedy_count(request.adapter_digest)]
        return [self._completion(count, random, request.adapter_digest) for count in counts]

    def _completion(self, count: int, random: Random, adapter_digest: str) -> pb.Completion:
        token_ids = self._encode(f"A photo of {count} cups")
        return pb.Completion(
            token_ids=token_ids,
            log_probabilities=[-12 * random.random() for _ in token_ids],
            finish_reason=pb.FINISH_REASON_STOP,
            adapter_digest=adapter_digest,
        )


class ServedCounting(CountingRollouts):
    """As a worker meets it: it also says which model it holds, that of the folder."""

    def __init__(self, policy_path: Path, greedy_count: Callable[[str], int] | None = None) -> None:
        tokenizer = AutoTokenizer.from_pretrained(policy_path)
        super().__init__(lambda text: tokenizer(text)["input_ids"], greedy_count=greedy_count)
        self._fingerprint = vocabulary_fingerprint(tokenizer.get_vocab())
        self._base_model = policy_path.name

    async def GetModel(
        self, request: pb.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetModelResponse:
        return pb.GetModelResponse(
            base_model=self._base_model,
            vocabulary_fingerprint=self._fingerprint,
            max_temperature=10.0,
        )
