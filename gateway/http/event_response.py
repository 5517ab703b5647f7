"""Server-sent events as an answer."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class EventStreamResponse(StreamingResponse):
    """Holds `slot` while it is sent, and leaves it however that ends."""

    def __init__(self, lines: AsyncIterator[str], slot: AbstractContextManager[None]) -> None:
        super().__init__(lines, media_type="text/event-stream", headers=_HEADERS)
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._slot:
            await super().__call__(scope, receive, send)
