"""Requests → what vLLM's engine takes: the prompt with its image preprocessed."""

import asyncio
from contextlib import suppress
from typing import Any

from vllm import TokensPrompt

from rollout_service.vllm_engine.requests import VllmPrompts
from tally.sampling.engine import GenerationRequest
from tally.sampling.errors import BadImage


class VllmRenderer:
    """Images are preprocessed in a thread of vLLM's; what vLLM keeps of one is found at once.

    vLLM's cache of images is for one thread at a time, and its engine's process has to hear of an
    image before a request without its pixels comes. So while the thread is at work, all goes
    through it, in line.
    """

    def __init__(self, renderer: Any, prompts: VllmPrompts) -> None:
        self._renderer = renderer
        self._prompts = prompts
        self._in_thread: set[asyncio.Future[Any]] = set()

    async def render(self, request: GenerationRequest) -> Any:
        """Hand it to the engine before the event loop turns. Raises BadImage and BadRequest."""
        if prompt := self._prompts.without_pixels(request):
            with suppress(ValueError):  # vLLM keeps the image no longer
                if self._in_thread:
                    return await self._render_in_thread(prompt)
                return self._renderer.render_cmpl([prompt])[0]
        assert request.image
        whole = await asyncio.to_thread(self._prompts.with_pixels, request, request.image)
        try:
            return await self._render_in_thread(whole)
        except ValueError as error:
            raise BadImage("image: the engine's processor refuses it") from error

    async def _render_in_thread(self, prompt: TokensPrompt) -> Any:
        rendering = asyncio.ensure_future(self._renderer.render_cmpl_async([prompt]))
        self._in_thread.add(rendering)
        try:
            (rendered,) = await asyncio.shield(rendering)
        finally:
            if rendering.done():
                self._in_thread.discard(rendering)
            else:  # the caller has given up, the thread has not
                rendering.add_done_callback(self._in_thread.discard)
        return rendered
