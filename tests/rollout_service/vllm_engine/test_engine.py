"""The engine over vLLM, without a model."""

import asyncio
from types import SimpleNamespace

import pytest

from rollout_service.settings import RolloutSettings
from tally.sampling.errors import EngineDied

pytest.importorskip("vllm")

from rollout_service.vllm_engine.engine import VllmEngine


async def test_watching_ends_when_vllm_has_died():
    engine = VllmEngine(RolloutSettings())
    engine._running = SimpleNamespace(llm=SimpleNamespace(errored=False))
    watching = asyncio.create_task(engine.watch())
    await asyncio.sleep(0)
    assert not watching.done()
    engine._running.llm.errored = True
    with pytest.raises(EngineDied):
        await watching
