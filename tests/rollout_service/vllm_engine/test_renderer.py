"""When a known image is found at once, and when in line behind the thread that reads a new one."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("vllm")

from rollout_service.vllm_engine.renderer import VllmRenderer


class Vllm:
    """vLLM's renderer; its thread is at work until `ended` is set."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    def render_cmpl(self, prompts: list[str]) -> list[str]:
        return [f"{one} at once" for one in prompts]

    async def render_cmpl_async(self, prompts: list[str]) -> list[str]:
        await self.ended.wait()
        return [f"{one} in line" for one in prompts]


class Prompts:
    """Knows every image but "new"."""

    def without_pixels(self, request: Any) -> str | None:
        return None if request.image == "new" else request.image

    def with_pixels(self, request: Any, image: str) -> str:
        return image


def asked(renderer: VllmRenderer, image: str) -> asyncio.Task[Any]:
    return asyncio.create_task(renderer.render(SimpleNamespace(image=image)))


async def test_a_known_image_waits_only_behind_a_new_one():
    vllm = Vllm()
    renderer = VllmRenderer(vllm, Prompts())
    assert await asked(renderer, "known") == "known at once"
    new = asked(renderer, "new")
    await asyncio.sleep(0.05)
    behind = asked(renderer, "known")
    await asyncio.sleep(0)
    vllm.ended.set()
    assert [await new, await behind] == ["new in line", "known in line"]
    assert await asked(renderer, "known") == "known at once"


async def test_a_caller_that_gives_up_does_not_end_the_thread_s_work():
    vllm = Vllm()
    renderer = VllmRenderer(vllm, Prompts())
    new = asked(renderer, "new")
    await asyncio.sleep(0.05)
    new.cancel()
    await asyncio.gather(new, return_exceptions=True)
    behind = asked(renderer, "known")
    await asyncio.sleep(0)
    vllm.ended.set()
    assert await behind == "known in line"
    await asyncio.sleep(0)
    assert await asked(renderer, "known") == "known at once"
