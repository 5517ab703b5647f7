"""On every server: bytes to messages, domain errors to statuses, the job in the log, a span."""

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
from tally.rpc.call_spans import serve_traced
from tally.rpc.errors import CODE_KEY, InvalidArgument, TallyError, code_of, status_of
from tally.rpc.handlers import kind_of, rebuild
from tally.rpc.job_of_call import job_of_call
from tally.text.sinks import to_status
from tally.traces.spans import record_error

_log = logging.getLogger(__name__)

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
        kind = kind_of(handler)
        read = _Messages if kind.startswith("stream") else _read_one
        behaviour = _guard(
            getattr(handler, kind), handler_call_details.method, read, handler.request_deserializer
        )
        # Given bytes: what parses them within the guard can refuse them.
        return rebuild(handler, behaviour, parse=None)


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
        async with serve_traced(context, method), _errors_as_statuses(context, method):
            return await behaviour(begin(request, context), context)

    async def stream(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        async with (
            serve_traced(context, method),
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
    record_error(error)
    if isinstance(error, TallyError):
        metadata = (*(context.trailing_metadata() or ()), (CODE_KEY, code_of(error)))
        await context.abort(status_of(error), to_status(str(error)), metadata)
    error_id = uuid.uuid4().hex[:12]
    _log.error("%s failed, error id %s", method, error_id, exc_info=error)
    message = f"internal error; its id in the log is {error_id}"
    await context.abort(grpc.StatusCode.INTERNAL, message)
    raise AssertionError("abort always raises")
