"""On every server: bytes to messages, domain errors to statuses, and the job in the log."""

import asyncio
import inspect
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, NoReturn, Self

import grpc
from google.protobuf.message import DecodeError

from tally.logs.fields import add_log_fields
from tally.rpc.errors import CODE_KEY, InvalidArgument, TallyError, code_of, status_of
from tally.rpc.job_of_call import job_of_call
from tally.text.sinks import to_status

_log = logging.getLogger(__name__)
_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")

Parse = Callable[[bytes], Any]


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
        for kind in _KINDS:
            if getattr(handler, kind) is not None:
                return _rebuild(handler, kind, handler_call_details.method)
        return handler


def _rebuild(handler: Any, kind: str, method: str) -> grpc.RpcMethodHandler:
    """Given bytes: what parses them within the guard can refuse them."""
    read = _Messages if kind.startswith("stream") else _read_one
    behaviour = _guard(getattr(handler, kind), method, read, handler.request_deserializer)
    build = getattr(grpc, f"{kind}_rpc_method_handler")
    return build(behaviour, None, handler.response_serializer)


def _guard(
    behaviour: Callable[..., Any], method: str, read: Callable[..., Any], parse: Parse
) -> Callable[..., Any]:
    """The same behaviour, its errors turned into statuses; a generator stays a generator."""

    def begin(request: Any, context: grpc.aio.ServicerContext) -> Any:
        message = read(request, parse)
        if job_id := job_of_call(message, context):
            add_log_fields(job_id=job_id)  # a call has a task of its own
        return message

    async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
        async with _errors_as_statuses(context, method):
            return await behaviour(begin(request, context), context)

    async def stream(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        async with (
            _errors_as_statuses(context, method),
            # What it holds is let go of at once when the caller is gone.
            aclosing(behaviour(begin(request, context), context)) as responses,
        ):
            async for response in responses:
                yield response

    return stream if inspect.isasyncgenfunction(behaviour) else call


def _read_one(data: bytes, parse: Parse) -> Any:
    try:
        return parse(data)
    except DecodeError:
        raise InvalidArgument("the message is none of this method's; see the contract") from None


class _Messages:
    """Those of a stream. No generator: a wait that is given up does not end it."""

    def __init__(self, received: AsyncIterator[bytes], parse: Parse) -> None:
        self._received = received
        self._parse = parse

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return _read_one(await anext(self._received), self._parse)


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
        metadata = (*(context.trailing_metadata() or ()), (CODE_KEY, code_of(error)))
        await context.abort(status_of(error), to_status(str(error)), metadata)
    error_id = uuid.uuid4().hex[:12]
    _log.error("%s failed, error id %s", method, error_id, exc_info=error)
    message = f"internal error; its id in the log is {error_id}"
    await context.abort(grpc.StatusCode.INTERNAL, message)
    raise AssertionError("abort always raises")
