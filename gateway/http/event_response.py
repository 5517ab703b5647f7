"""Server-sent events as an answer."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.http.accept_language import about_language
from tally.messages.languages import Language

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class EventStreamResponse(StreamingResponse):
    """In `language`. Holds `slot` while it is sent, and leaves it however that ends."""

    def __init__(
        self, lines: AsyncIterator[str], language: Language, slot: AbstractContextManager[None]
    ) -> None:
        headers = _HEADERS | about_language(language)
        super().__init__(lines, media_type="text/event-stream", headers=headers)
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._slot:
            await super().__call__(scope, receive, send)
