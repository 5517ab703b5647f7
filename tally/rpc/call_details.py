"""What a channel adds to each of its calls: a deadline, the secret, the job that it is for."""

from collections.abc import Callable
from typing import Any

import grpc

from tally.rpc.job_of_call import Metadata, job_metadata
from tally.rpc.secret import secret_metadata

Change = Callable[[grpc.aio.ClientCallDetails], grpc.aio.ClientCallDetails]


class _Interceptor:
    """Changes the details of a call. One for each kind of call: a channel uses an interceptor for
    the first kind that it is of, and for no other."""

    def __init__(self, change: Change) -> None:
        self._change = change

    async def _go_on(self, continuation: Any, details: Any, sent: Any) -> Any:
        return await continuation(self._change(details), sent)


class _UnaryUnary(_Interceptor, grpc.aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary = _Interceptor._go_on


class _UnaryStream(_Interceptor, grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream = _Interceptor._go_on


class _StreamUnary(_Interceptor, grpc.aio.StreamUnaryClientInterceptor):
    intercept_stream_unary = _Interceptor._go_on


class _StreamStream(_Interceptor, grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream = _Interceptor._go_on


def give_deadline(timeout_seconds: float) -> list[grpc.aio.ClientInterceptor]:
    """Gives a call that names no time-out this one; what streams both ways may go on for ever."""

    def change(details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        if details.timeout is not None:
            return details
        return details._replace(timeout=timeout_seconds)

    return [_UnaryUnary(change), _UnaryStream(change), _StreamUnary(change)]


def show_secret(secret: str) -> list[grpc.aio.ClientInterceptor]:
    """Shows the secret with every call."""
    shown = [secret_metadata(secret)]
    return _add_metadata(lambda: shown)


def tell_job() -> list[grpc.aio.ClientInterceptor]:
    """Says with every call which job it is for."""
    return _add_metadata(job_metadata)


def _add_metadata(told: Callable[[], Metadata]) -> list[grpc.aio.ClientInterceptor]:
    def change(details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        if not (added := told()):
            return details
        return details._replace(metadata=grpc.aio.Metadata(*(details.metadata or ()), *added))

    return [kind(change) for kind in (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)]
