"""What a channel adds to each of its calls: a deadline, the secret, the job that it is for."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from tally.rpc.job_of_call import Metadata, job_metadata
from tally.rpc.secret import secret_metadata

Change = Callable[[grpc.aio.ClientCallDetails], grpc.aio.ClientCallDetails]
# Of a continuation, the call's details and what is sent makes a call.
GoOn = Callable[[Any, grpc.aio.ClientCallDetails, Any], Awaitable[Any]]


class _Interceptor:
    """Goes on with a call. One for each kind of call: a channel uses an interceptor for the first
    kind that it is of, and for no other."""

    def __init__(self, go_on: GoOn) -> None:
        self._go_on = go_on

    async def _intercept(self, continuation: Any, details: Any, sent: Any) -> Any:
        return await self._go_on(continuation, details, sent)


class _UnaryUnary(_Interceptor, grpc.aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary = _Interceptor._intercept


class _UnaryStream(_Interceptor, grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream = _Interceptor._intercept


class _StreamUnary(_Interceptor, grpc.aio.StreamUnaryClientInterceptor):
    intercept_stream_unary = _Interceptor._intercept


class _StreamStream(_Interceptor, grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream = _Interceptor._intercept


_KINDS = (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)


def intercept_each_kind(go_on: GoOn) -> list[grpc.aio.ClientInterceptor]:
    """Every call of the channel goes on by `go_on`."""
    return [kind(go_on) for kind in _KINDS]


def give_deadline(timeout_seconds: float) -> list[grpc.aio.ClientInterceptor]:
    """Gives a call that names no time-out this one; what streams both ways may go on for ever."""

    def change(details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        if details.timeout is not None:
            return details
        return details._replace(timeout=timeout_seconds)

    return [kind(_change_details(change)) for kind in _KINDS if kind is not _StreamStream]


def show_secret(secret: str) -> list[grpc.aio.ClientInterceptor]:
    """Shows the secret with every call."""
    return show([secret_metadata(secret)])


def show(metadata: Metadata) -> list[grpc.aio.ClientInterceptor]:
    """Shows the same with every call."""
    return _tell(lambda: metadata)


def tell_job() -> list[grpc.aio.ClientInterceptor]:
    """Says with every call which job it is for."""
    return _tell(job_metadata)


def add_metadata(
    details: grpc.aio.ClientCallDetails, added: Metadata
) -> grpc.aio.ClientCallDetails:
    """The details of a call that tells `added`, too."""
    return details._replace(metadata=grpc.aio.Metadata(*(details.metadata or ()), *added))


def _tell(told: Callable[[], Metadata]) -> list[grpc.aio.ClientInterceptor]:
    def change(details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        added = told()
        return add_metadata(details, added) if added else details

    return intercept_each_kind(_change_details(change))


def _change_details(change: Change) -> GoOn:
    async def go_on(continuation: Any, details: grpc.aio.ClientCallDetails, sent: Any) -> Any:
        return await continuation(change(details), sent)

    return go_on
