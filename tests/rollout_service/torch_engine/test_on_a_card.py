"""The engine on a pretended card: nothing that it multiplies is left on the CPU."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rollout_service.engine import Completion, GenerationRequest
from rollout_service.model import load_model
from rollout_service.settings import RolloutSettings
from rollout_service.torch_engine.engine import _BatchSampler, _Job
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
    settings = RolloutSettings(model=str(small_model_path), device="cpu")
    loaded = load_model(settings)
    expected = await sample(_BatchSampler(loaded, settings), request)
    card = pretend_a_card(monkeypatch)
    card.take(loaded.model)
    with card:
        sampler = _BatchSampler(replace(loaded, device=CARD), settings)
        assert await sample(sampler, request) == expected


async def sample(sampler: _BatchSampler, request: GenerationRequest) -> list[Completion]:
    """In this thread, where the pretended card is."""
    job = _Job(request=request, answer=asyncio.get_running_loop().create_future())
    sampler.serve([job], list)
    return await job.answer
