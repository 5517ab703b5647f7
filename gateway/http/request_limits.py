"""How many requests, as ASGI middleware: at once (503), and of one sender in a while (429)."""

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from gateway.access.callers import ANYONE, Caller
from gateway.access.rate import Rate
from gateway.errors import Busy, TooMany, retry_after
from gateway.http.addresses import sender_address
from gateway.http.connections import Slot
from gateway.settings import GatewaySettings
from tally.messages.message import Message

# So many seconds' worth may come at once.
_BURST_SECONDS = 5


class RequestLimits:
    """A sender is a token at an address. Event streams count while they last; the page, which needs
    no token, does not."""

    def __init__(self, app: ASGIApp, settings: GatewaySettings) -> None:
        self._app = app
        per_second = settings.max_requests_per_second
        self._rate = Rate(_BURST_SECONDS * per_second, 1 / per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._check(scope)
        if scope["state"].get("caller") == ANYONE:
            receive = _give_way(scope["state"]["slot"], receive)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        """Raises Busy or TooMany."""
        caller: Caller | None = scope["state"].get("caller")
        sender = f"{caller.token if caller else ''} {sender_address(scope)}"
        if wait_seconds := self._rate.seconds_to_wait(sender):
            message = Message("too_many_requests", seconds=wait_seconds)
            raise TooMany(message, headers=retry_after(wait_seconds))
        slot: Slot = scope["state"]["slot"]
        if caller is not None and not slot.take():
            raise Busy(Message("too_many_at_once"))


def _give_way(slot: Slot, receive: Receive) -> Receive:
    """While the body of one without a token is awaited, their connection gives way to others."""
    ended = False

    async def receive_giving_way() -> AsgiMessage:
        nonlocal ended
        if ended:
            return await receive()
        slot.leave()
        try:
            message = await receive()
        finally:
            slot.take()
        ended = not message.get("more_body", False)
        return message

    return receive_giving_way
