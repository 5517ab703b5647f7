"""The secret that the services of a stack share: every call shows it, and is refused without it.

Health and reflection need none: a probe or a load balancer holds no secret, and the contracts are
public.
"""

import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

_log = logging.getLogger(__name__)
_HEADER = "authorization"
_OPEN_SERVICES = (health.SERVICE_NAME, reflection.SERVICE_NAME)
_REFUSAL = (
    "the services behind this port share a secret, and this call shows none or another; set "
    "services_secret or services_secret_path to theirs"
)
# A stranger who tries again and again must not fill the log.
_LOG_EVERY_SECONDS = 10.0

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]]


def secret_metadata(secret: str) -> tuple[str, str]:
    """What a call shows, as one item of its metadata."""
    return _HEADER, f"Bearer {secret}"


class SecretCheck(grpc.aio.ServerInterceptor):
    """Refuses a call without the secret before any message of it is read."""

    def __init__(self, secret: str) -> None:
        self._expected = secret_metadata(secret)[1].encode()
        self._refused = 0
        self._logged_at = float("-inf")

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler:
        method = handler_call_details.method
        if method.split("/")[1] in _OPEN_SERVICES or self._shows_it(handler_call_details):
            return await continuation(handler_call_details)
        self._note(method)
        # Of this kind whatever the method is: the others read a message first.
        return grpc.stream_stream_rpc_method_handler(_refuse)

    def _shows_it(self, details: grpc.HandlerCallDetails) -> bool:
        shown = [value for key, value in details.invocation_metadata or () if key == _HEADER]
        return len(shown) == 1 and hmac.compare_digest(_bytes(shown[0]), self._expected)

    def _note(self, method: str) -> None:
        self._refused += 1
        if time.monotonic() - self._logged_at >= _LOG_EVERY_SECONDS:
            self._logged_at = time.monotonic()
            _log.warning("%d calls without the secret refused, now of %r", self._refused, method)


async def _refuse(requests: Any, context: grpc.aio.ServicerContext) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, _REFUSAL)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
