"""HEAD wherever there is GET (RFC 9110, 9.3.2), as ASGI middleware: the innermost one."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Answers what GET would, without the body; what would make the body is ended, since a stream
    of events has no other end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        with anyio.CancelScope() as making_the_body:

            async def send_head(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    return
                await send({"type": "http.response.body"})
                making_the_body.cancel()

            await self._app(asked, receive, send_head)
        if route := asked.get("route"):
            scope["route"] = route  # for the log of requests
