"""Server side: domain errors to statuses. Client side: a deadline on every call."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc

from rpc.errors import TallyError, status_of

_log = logging.getLogger(__name__)


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns what a handler raises into a status; an unforeseen one is INTERNAL, with an id."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        method = handler_call_details.method
        if handler.unary_unary:
            return _rebuilt(handler, unary_unary=_guarded(handler.unary_unary, method))
        if handler.stream_unary:
            return _rebuilt(handler, stream_unary=_guarded(handler.stream_unary, method))
        if handler.unary_stream:
            return _rebuilt(handler, unary_stream=_guarded_stream(handler.unary_stream, method))
        return _rebuilt(handler, stream_stream=_guarded_stream(handler.stream_stream, method))


def _rebuilt(handler: Any, **behaviour: Any) -> grpc.RpcMethodHandler:
    kind = next(iter(behaviour))
    build = getattr(grpc, f"{kind}_rpc_method_handler")
    return build(
        behaviour[kind],
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


def _guarded(behaviour: Callable[..., Awaitable[Any]], method: str) -> Callable[..., Any]:
    async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await behaviour(request, context)
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception as error:
            await _abort(context, method, error)

    return call


def _guarded_stream(
    behaviour: Callable[..., AsyncIterator[Any]], method: str
) -> Callable[..., Any]:
    async def call(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        try:
            async for response in behaviour(request, context):
                yield response
        except (grpc.aio.AbortError, asyncio.CancelledError, GeneratorExit):
            raise
        except Exception as error:
            await _abort(context, method, error)

    return call


async def _abort(context: grpc.aio.ServicerContext, method: str, error: Exception) -> NoReturn:
    if isinstance(error, TallyError):
        await context.abort(status_of(error), str(error))
    error_id = uuid.uuid4().hex[:12]
    _log.error("%s failed, error id %s", method, error_id, exc_info=error)
    await context.abort(
        grpc.StatusCode.INTERNAL, f"internal error; its id in the log is {error_id}"
    )


class DeadlineInterceptor(
    grpc.aio.UnaryUnaryClientInterceptor,
    grpc.aio.UnaryStreamClientInterceptor,
    grpc.aio.StreamUnaryClientInterceptor,
):
    """Gives a call that names no time-out the channel's own."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(self._limited(details), request)

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(self._limited(details), request)

    async def intercept_stream_unary(self, continuation: Any, details: Any, requests: Any) -> Any:
        return await continuation(self._limited(details), requests)

    def _limited(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        if details.timeout is not None:
            return details
        return details._replace(timeout=self._timeout_seconds)
