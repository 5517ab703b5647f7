"""The engine on a pretended card: nothing that it multiplies is left on the CPU."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_service.model import load_model
from rollout_service.settings import RolloutSettings
from tally.sampling.engine import Completion, GenerationRequest
from tally.sampling.model import LoadedModel
from tally.torch_engine.engine import EngineParts, _BatchSampler, _Job
from tally.torch_engine.limits import EngineLimits
from tally.torch_engine.vision_features import VisionCache
from tests.fakes.pretended_card import CARD, pretend_a_card
from tests.rollout_service.support import Reference, adapter_of, local_blob, png


async def test_generation_is_on_the_card(
    small_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    reference = Reference(small_model_path)
    width, height = reference.grid.fit(112, 112, 112)
    tokens = reference.grid.tokens(width, height)
    request = GenerationRequest(
        prompt_token_ids=tuple(reference.prompt(image_tokens=tokens)),
        num_completions=3,
        temperature=1.0,
        seed=7,
        max_new_tokens=6,
        image=local_blob(tmp_path, png(size=(width, height))),
        adapter=local_blob(tmp_path, adapter_of(reference.adapted(seed=1))),
    )
    loaded = load_model(RolloutSettings(model=str(small_model_path), device="cpu"))
    expected = await sample(sampler_of(loaded), request)
    card = pretend_a_card(monkeypatch)
    card.take(loaded.model)
    with card:
        assert await sample(sampler_of(replace(loaded, device=CARD)), request) == expected


def sampler_of(loaded: LoadedModel) -> _BatchSampler:
    parts = EngineParts(loaded=loaded, vision=VisionCache(loaded, max_bytes=10**8))
    return _BatchSampler(parts, EngineLimits())


async def sample(sampler: _BatchSampler, request: GenerationRequest) -> list[Completion]:
    """In this thread, where the pretended card is."""
    answer = asyncio.get_running_loop().create_future()
    job = _Job(request=request, read=None, answer=answer)
    sampler.serve([job], list)
    return await job.answer
