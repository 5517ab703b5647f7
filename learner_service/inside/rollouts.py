"""prompts_P, adapter → completions_P_G, by an engine in this process."""

import asyncio
from collections.abc import Callable, Sequence

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.gather import gather
from learner_service.clients.rollouts import Completion, Prompt, RolloutModel, Sampling
from tally.sampling.engine import FinishReason, GenerationRequest, LocalBlob, ModelDescription
from tally.sampling.errors import EngineNotReady
from tally.sampling.request_check import check_prompt, check_temperature
from tally.torch_engine.engine import EngineParts, TorchEngine
from tally.torch_engine.kv_cache import ReadPrompt
from tally.torch_engine.limits import EngineLimits

FindRead = Callable[[Prompt, str], ReadPrompt | None]  # of a prompt and an adapter's digest


def _find_none(prompt: Prompt, adapter_digest: str) -> None:
    """Nobody has read prompts."""


class InsideRollouts:
    """As `RolloutClient`; answers once `load` has returned. Images and adapters are in `store`."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._engine: TorchEngine | None = None
        self._find_read: FindRead = _find_none
        self._description: ModelDescription | None = None

    async def load(
        self,
        load_parts: Callable[[], EngineParts],
        *,
        max_resident_adapters: int = 1,
        find_read: FindRead = _find_none,
    ) -> None:
        """`load_parts` runs in the engine's thread. `find_read` gives prompts that have been read
        with the adapter that they are asked with, which the engine then goes on from."""
        self._find_read = find_read
        limits = EngineLimits(max_resident_adapters=max_resident_adapters)
        self._engine = TorchEngine(load_parts, limits)
        self._description = await self._engine.load()

    async def model(self) -> RolloutModel:
        """Raises EngineNotReady."""
        model = self._check_loaded()[1]
        return RolloutModel(
            base_model=model.base_model,
            engine=model.engine,
            vocabulary_fingerprint=model.vocabulary_fingerprint,
            barred_token_ids=model.barred_token_ids,
            use_4bit=model.use_4bit,
            vocabulary_size=model.vocabulary_size,
            max_sequence_tokens=model.max_sequence_tokens,
            min_temperature=model.least_temperature,
            max_temperature=model.most_temperature,
        )

    async def generate(
        self, prompts: Sequence[Prompt], adapter_digest: str, sampling: Sampling
    ) -> list[list[Completion]]:
        """As `RolloutClient.generate`. Raises BadRequest, BadImage, BadAdapter, UnknownBlob,
        EngineNotReady, OutOfMemory."""
        return await gather(
            self._sample_group(prompt, adapter_digest, sampling) for prompt in prompts
        )

    async def close(self) -> None:
        """Frees the model, unless somebody else has it."""
        if self._engine is not None:
            await self._engine.close()

    def _check_loaded(self) -> tuple[TorchEngine, ModelDescription]:
        if self._engine is None or self._description is None:
            raise EngineNotReady("the model is still loading")
        return self._engine, self._description

    async def _sample_group(
        self, prompt: Prompt, adapter_digest: str, sampling: Sampling
    ) -> list[Completion]:
        engine, model = self._check_loaded()
        image = prompt.image_digest
        check_temperature(sampling.temperature, model)
        check_prompt(prompt.token_ids, sampling.max_new_tokens, model, has_image=bool(image))
        request = GenerationRequest(
            prompt_token_ids=prompt.token_ids,
            num_completions=sampling.num_completions,
            temperature=sampling.temperature,
            max_new_tokens=sampling.max_new_tokens,
            seed=prompt.seed,
            image=await self._hold(image),
            adapter=await self._hold(adapter_digest),
        )
        return [
            Completion(
                token_ids=one.token_ids,
                log_probabilities=one.log_probabilities,
                adapter_digest=one.adapter_digest,
                is_cut=one.finish_reason is FinishReason.LENGTH,
            )
            for one in await engine.generate(request, self._find_read(prompt, adapter_digest))
        ]

    async def _hold(self, digest: str) -> LocalBlob | None:
        """Raises UnknownBlob."""
        if not digest:
            return None
        if self._store.size_bytes(digest) is None:  # to be fetched, which takes time
            await asyncio.to_thread(self._store.path, digest)
        return LocalBlob(digest=digest, path=self._store.path(digest))
