"""`python -m bench.delayed_replica SECONDS …`: the rollout service over an engine that sleeps.

All but the engine is the real service, and so are its settings. It samples one request at a time,
each for SECONDS.
"""

import asyncio
import sys
from collections.abc import Mapping

from rollout_service.__main__ import run
from rollout_service.blobs.cache_folder import place_cache
from rollout_service.settings import RolloutSettings
from tally.host.lookups import Lookups
from tally.logs.setup import configure_logging
from tally.sampling.engine import Completion, FinishReason, GenerationRequest, ModelDescription

IMAGE_TOKEN_ID = 999


class DelayedEngine:
    """Repeats the prompt's first token; a request waits for those before it, then sleeps."""

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._busy = asyncio.Lock()

    @property
    def lookups(self) -> Mapping[str, Lookups]:
        return {}

    async def load(self) -> ModelDescription:
        return ModelDescription(
            base_model="none",
            engine="delayed",
            vocabulary_fingerprint="",
            vocabulary_size=1000,
            max_sequence_tokens=4096,
            barred_token_ids=(),
            use_4bit=False,
            image_token_id=IMAGE_TOKEN_ID,
            video_token_id=998,
        )

    async def generate(self, request: GenerationRequest) -> list[Completion]:
        async with self._busy:
            request.on_begin()
            await asyncio.sleep(self._delay_seconds)
        completion = Completion(
            token_ids=request.prompt_token_ids[:1] * request.max_new_tokens,
            log_probabilities=(-0.5,) * request.max_new_tokens,
            finish_reason=FinishReason.LENGTH,
            adapter_digest=request.adapter_digest,
        )
        return [completion] * request.num_completions

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        """There is nothing to free."""


def main() -> None:
    delay_seconds, arguments = float(sys.argv[1]), sys.argv[2:]
    settings = RolloutSettings.read(arguments)
    configure_logging("rollout", settings.log_level, settings.log_format)
    with place_cache(settings) as (placed, folder):
        asyncio.run(run(placed, DelayedEngine(delay_seconds), folder))


if __name__ == "__main__":
    main()
