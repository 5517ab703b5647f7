"""prompts_P, adapter → completions_P_G: the client of rollout.v1."""

import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

import grpc

from learner_service.clients.concurrency import ConcurrencyLimit, NoRoom
from learner_service.clients.gather import gather
from learner_service.clients.retry import Retry
from learner_service.errors import RolloutsUnavailable
from tally.rollout.v1 import rollout_pb2, rollout_pb2_grpc
from tally.rpc.errors import DataLoss, ResourceExhausted, Unavailable, translate_errors

T = TypeVar("T")

IDEMPOTENT_METHODS = (
    "tally.rollout.v1.RolloutService/Generate",
    "tally.rollout.v1.RolloutService/GetModel",
)


@dataclass(frozen=True, kw_only=True)
class RolloutModel:
    """What the replicas serve."""

    base_model: str
    engine: str
    vocabulary_fingerprint: str
    barred_token_ids: tuple[int, ...]
    use_4bit: bool
    vocabulary_size: int = 0
    # Limits of a request; 0 where a replica tells none.
    max_sequence_tokens: int = 0
    max_new_tokens: int = 0
    max_completions: int = 0
    # Temperatures of a request besides 0; a highest of 0 where a replica tells none.
    min_temperature: float = 0.0
    max_temperature: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What one group is sampled from."""

    token_ids: tuple[int, ...]
    image_digest: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to sample a group of num_completions; temperature 0 is greedy."""

    num_completions: int
    temperature: float
    max_new_tokens: int

    @classmethod
    def greedy(cls, max_new_tokens: int) -> "Sampling":
        """Of the likeliest answer alone."""
        return cls(num_completions=1, temperature=0.0, max_new_tokens=max_new_tokens)


@dataclass(frozen=True, kw_only=True)
class Completion:
    """Sampled ids, the engine's log-probability of each, and the policy they are from; `is_cut`
    where they reached the most that there may be."""

    token_ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    adapter_digest: str
    is_cut: bool = False

    @property
    def probability(self) -> float:
        """Of exactly these tokens, at the sampling temperature; at 1 where that is 0."""
        return math.exp(min(0.0, math.fsum(self.log_probabilities)))


class Rollouts(Protocol):
    """What samples: a client of the rollout service, or an engine in this process."""

    async def model(self) -> RolloutModel:
        """What is sampled from."""

    async def generate(
        self, prompts: Sequence[Prompt], adapter_digest: str, sampling: Sampling
    ) -> list[list[Completion]]:
        """[P] prompts → [P][G] completions, each group whole, in the order of the prompts.

        An empty `adapter_digest` samples from the base model.
        """


class RolloutClient:
    """Asks any number of replicas behind one name; at most `concurrency` groups at once.

    gRPC's balancing takes the replicas in turn, and leaves those that don't serve. One that has no
    room says so at once, and the group goes to the next.
    """

    def __init__(self, channel: grpc.aio.Channel, retry: Retry, concurrency: int) -> None:
        self._stub = rollout_pb2_grpc.RolloutServiceStub(channel)
        self._retry = retry
        self._limit = ConcurrencyLimit(concurrency)

    async def model(self) -> RolloutModel:
        """Raises RolloutsUnavailable where no replica answers within the bound."""
        response = await self._call(self._get_model)
        return RolloutModel(
            base_model=response.base_model,
            engine=response.engine,
            vocabulary_fingerprint=response.vocabulary_fingerprint,
            barred_token_ids=tuple(response.barred_token_ids),
            use_4bit=response.use_4bit,
            vocabulary_size=response.vocabulary_size,
            max_sequence_tokens=response.max_sequence_tokens,
            max_new_tokens=response.max_new_tokens,
            max_completions=response.max_completions,
            min_temperature=response.min_temperature,
            max_temperature=response.max_temperature,
        )

    async def generate(
        self, prompts: Sequence[Prompt], adapter_digest: str, sampling: Sampling
    ) -> list[list[Completion]]:
        """Raises RolloutsUnavailable where no replica answers, or has room, within the bound."""
        return await gather(
            self._sample_group(prompt, adapter_digest, sampling) for prompt in prompts
        )

    async def _sample_group(
        self, prompt: Prompt, adapter_digest: str, sampling: Sampling
    ) -> list[Completion]:
        request = rollout_pb2.GenerateRequest(
            prompt_token_ids=prompt.token_ids,
            image_digest=prompt.image_digest,
            adapter_digest=adapter_digest,
            num_completions=sampling.num_completions,
            sampling=rollout_pb2.SamplingParameters(
                temperature=sampling.temperature,
                max_new_tokens=sampling.max_new_tokens,
                seed=prompt.seed,
            ),
        )
        response = await self._wait_for_room(request)
        return _check_group(response, adapter_digest, sampling.num_completions)

    async def _wait_for_room(
        self, request: rollout_pb2.GenerateRequest
    ) -> rollout_pb2.GenerateResponse:
        while True:
            with suppress(NoRoom):
                async with self._limit.slot():
                    response = await self._call(lambda: self._generate(request))
                if not response.full:
                    self._limit.grow()
                return response

    async def _generate(self, request: rollout_pb2.GenerateRequest) -> rollout_pb2.GenerateResponse:
        """Raises NoRoom where the answers to other groups will make room."""
        try:
            async with translate_errors():
                response: rollout_pb2.GenerateResponse = await self._stub.Generate(request)
                return response
        except ResourceExhausted as error:
            if self._limit.shrink():
                raise NoRoom from error
            raise

    async def _get_model(self) -> rollout_pb2.GetModelResponse:
        request = rollout_pb2.GetModelRequest()
        async with translate_errors():
            response: rollout_pb2.GetModelResponse = await self._stub.GetModel(request)
            return response

    async def _call(self, attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._retry.call(attempt)
        except Unavailable as error:
            busy = isinstance(error.__cause__, ResourceExhausted)
            did = "had room for a group" if busy else "answered"
            raise RolloutsUnavailable(f"no rollout replica {did} within the bound") from error


def _check_group(
    response: rollout_pb2.GenerateResponse, adapter_digest: str, num_completions: int
) -> list[Completion]:
    """Refuses a group that is not whole, or that another policy sampled."""
    if len(response.completions) != num_completions:
        raise DataLoss(f"asked for {num_completions} completions, got {len(response.completions)}")
    group = []
    for completion in response.completions:
        if completion.adapter_digest != adapter_digest:
            raise DataLoss("a completion was sampled from another adapter than the one asked for")
        if not 0 < len(completion.token_ids) == len(completion.log_probabilities):
            raise DataLoss("a completion without a log-probability for each token")
        group.append(
            Completion(
                token_ids=tuple(completion.token_ids),
                log_probabilities=tuple(completion.log_probabilities),
                adapter_digest=completion.adapter_digest,
                is_cut=completion.finish_reason == rollout_pb2.FINISH_REASON_LENGTH,
            )
        )
    return group
