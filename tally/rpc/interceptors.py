"""Domain errors to statuses, on every server."""

import asyncio
import inspect
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import grpc

from tally.rpc.errors import TallyError, status_of

_log = logging.getLogger(__name__)
_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


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
        for kind in _KINDS:
            behaviour = getattr(handler, kind)
            if behaviour is not None:
                return _rebuild(handler, kind, _guard(behaviour, method))
        return handler


def _rebuild(handler: Any, kind: str, behaviour: Callable[..., Any]) -> grpc.RpcMethodHandler:
    build = getattr(grpc, f"{kind}_rpc_method_handler")
    return build(
        behaviour,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


def _guard(behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
    """The same behaviour, its errors turned into statuses; a generator stays a generator."""

    async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
        async with _errors_as_statuses(context, method):
            return await behaviour(request, context)

    async def stream(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        async with _errors_as_statuses(context, method):
            async for response in behaviour(request, context):
                yield response

    return stream if inspect.isasyncgenfunction(behaviour) else call


@asynccontextmanager
async def _errors_as_statuses(
    context: grpc.aio.ServicerContext, method: str
) -> AsyncIterator[None]:
    try:
        yield
    except (grpc.aio.AbortError, asyncio.CancelledError, GeneratorExit):
        raise
    except Exception as error:
        await _abort(context, method, error)


async def _abort(context: grpc.aio.ServicerContext, method: str, error: Exception) -> NoReturn:
    if isinstance(error, TallyError):
        await context.abort(status_of(error), str(error))
    error_id = uuid.uuid4().hex[:12]
    _log.error("%s failed, error id %s", method, error_id, exc_info=error)
    message = f"internal error; its id in the log is {error_id}"
    await context.abort(grpc.StatusCode.INTERNAL, message)
    raise AssertionError("abort always raises")
