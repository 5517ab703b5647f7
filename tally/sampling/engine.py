"""The seam between the service and what samples: nothing here knows gRPC or torch."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tally.host.lookups import Lookups
from tally.rpc.errors import Internal
from tally.sampling.errors import BadAdapter


class FinishReason(StrEnum):
    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, kw_only=True)
class LocalBlob:
    """A blob that is here and verified; the file stays until the request has ended."""

    digest: str
    path: Path


def _nothing() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """One prompt, n completions. `temperature` 0 is greedy, with log-probabilities at 1.

    `on_begin` is called when its turn has come, from whatever thread, and never blocks.
    """

    prompt_token_ids: tuple[int, ...]
    num_completions: int
    temperature: float
    max_new_tokens: int
    seed: int | None = None
    image: LocalBlob | None = None
    adapter: LocalBlob | None = None
    on_begin: Callable[[], None] = _nothing

    @property
    def adapter_digest(self) -> str:
        return self.adapter.digest if self.adapter else ""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """Sampled ids and the natural log-probability of each, both [tokens]."""

    token_ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    finish_reason: FinishReason
    adapter_digest: str

    def check_finite(self) -> None:
        """Raises BadAdapter, or Internal for the base model, where the model has overflowed."""
        if all(map(math.isfinite, self.log_probabilities)):
            return
        if self.adapter_digest:
            raise BadAdapter("adapter: its weights make the model overflow")
        raise Internal("the model overflows on this prompt")


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """What an engine serves. Temperature 0 is greedy, whatever `least_temperature` is."""

    base_model: str
    engine: str
    vocabulary_fingerprint: str
    vocabulary_size: int
    max_sequence_tokens: int
    barred_token_ids: tuple[int, ...]
    use_4bit: bool
    image_token_id: int
    video_token_id: int | None  # None where the model has none
    least_temperature: float = 0.0
    most_temperature: float = 10.0


class Engine(Protocol):
    """Samples. Cancelling `generate` stops its work soon and leaves nothing behind."""

    @property
    def lookups(self) -> Mapping[str, Lookups]:
        """Of each of its caches, by the cache's name."""

    async def load(self) -> ModelDescription:
        """Loads the model and samples once, so that the first request finds it warm."""

    async def generate(self, request: GenerationRequest) -> list[Completion]:
        """`request.num_completions` completions of a valid request.

        Raises BadImage or BadAdapter for a blob that it refuses, EngineNotReady before `load` has
        returned and after `close`, OutOfMemory where the device has no room now.

        Example:
            >>> import asyncio
            >>> prompt = (7, 11, 13)
            >>> request = GenerationRequest(
            ...     prompt_token_ids=prompt, num_completions=2, temperature=0.0, max_new_tokens=4
            ... )
            >>> first, second = asyncio.run(engine.generate(request))
            >>> first.token_ids == second.token_ids  # greedy
            True
            >>> len(first.log_probabilities) == len(first.token_ids) <= 4
            True
        """

    async def watch(self) -> None:
        """Returns never; raises EngineDied once the engine can't answer any more."""

    async def close(self) -> None:
        """Stops what is in progress and frees the model."""
