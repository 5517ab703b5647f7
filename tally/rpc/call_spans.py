"""Spans of calls: at the client from the request to the status, at the server while it answers.

`traceparent` in a call's metadata makes the server's span a part of the client's.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc

from tally.rpc.call_details import add_metadata, intercept_each_kind
from tally.rpc.handlers import status_at_end
from tally.traces.spans import TRACEPARENT, Attribute, begin_span, is_traced

if TYPE_CHECKING:
    from tally.traces.recorder import OpenSpan

_CODE = "rpc.grpc.status_code"
# Health and reflection: what probes and balancers ask again and again.
_OF_GRPC_ITSELF = "/grpc."
# The others are refusals: the server did what it should.
_FAULTS_OF_A_SERVER = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}


def trace_calls() -> list[grpc.aio.ClientInterceptor]:
    """A span of each call, however often gRPC tries it; where this process traces nothing, none."""
    return intercept_each_kind(_go_on_traced) if is_traced() else []


async def _go_on_traced(continuation: Any, details: grpc.aio.ClientCallDetails, sent: Any) -> Any:
    method = details.method
    name = (method.decode() if isinstance(method, bytes) else method).lstrip("/")
    span = begin_span(name, "client", attributes=_about(name))
    if span is None:
        return await continuation(details, sent)
    try:
        call = await continuation(add_metadata(details, [(TRACEPARENT, span.traceparent)]), sent)
    except BaseException:
        span.end()
        raise
    # Whoever waited for its end here would take the caller's way to cancel it.
    call.add_done_callback(partial(_end_of_call, span))
    return call


def _end_of_call(span: "OpenSpan", call: grpc.aio.Call) -> None:
    status = _read_status(call.code())
    if status is not None:
        span.note({_CODE: status.value[0]})
        if status is not grpc.StatusCode.OK:
            span.fail(status.name)
    span.end()


def _read_status(code: Any) -> grpc.StatusCode | None:
    """The status of a call that is done, for which nothing is waited."""
    try:
        code.send(None)
    except StopIteration as known:
        status: grpc.StatusCode = known.value
        return status
    code.close()
    return None


def serve_traced(
    context: grpc.aio.ServicerContext, method: str
) -> AbstractAsyncContextManager[None]:
    """While it is open, a call is answered; a call has a task of its own."""
    if not is_traced() or method.startswith(_OF_GRPC_ITSELF):
        return nullcontext()
    return _serve_traced(context, method.lstrip("/"))


@asynccontextmanager
async def _serve_traced(context: grpc.aio.ServicerContext, name: str) -> AsyncIterator[None]:
    told = [value for key, value in context.invocation_metadata() or () if key == TRACEPARENT]
    parent = told[0] if len(told) == 1 and isinstance(told[0], str) else ""
    span = begin_span(name, "server", parent=parent, attributes=_about(name))
    if span is None:  # tracing has just ended
        yield
        return
    span.make_current()
    status = grpc.StatusCode.CANCELLED
    try:
        yield
        status = grpc.StatusCode.OK
    except grpc.aio.AbortError:
        status = status_at_end(context)
        raise
    finally:
        span.note_concerns()
        span.note({_CODE: status.value[0]})
        if status in _FAULTS_OF_A_SERVER:
            span.fail(status.name)
        span.end()


def _about(name: str) -> dict[str, Attribute]:
    service, _, method = name.partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
