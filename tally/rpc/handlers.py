"""Handlers of a server's methods as gRPC has them, for interceptors: one of four kinds each."""

from collections.abc import Callable
from typing import Any

import grpc

_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
_BY_NUMBER = {status.value[0]: status for status in grpc.StatusCode}


def kind_of(handler: Any) -> str:
    """How many messages come in and go out; the handler's behaviour is its attribute of that name.

    >>> kind_of(grpc.unary_stream_rpc_method_handler(print))
    'unary_stream'
    """
    return next(kind for kind in _KINDS if getattr(handler, kind) is not None)


def rebuild(
    handler: Any, behaviour: Callable[..., Any], parse: Callable[[bytes], Any] | None
) -> grpc.RpcMethodHandler:
    """The same handler with another behaviour, which is given what `parse` makes of bytes."""
    build = getattr(grpc, f"{kind_of(handler)}_rpc_method_handler")
    return build(behaviour, parse, handler.response_serializer)


def status_at_end(context: grpc.aio.ServicerContext) -> grpc.StatusCode:
    """A handler may have set it by its number; where it has set nothing all is well."""
    code = context.code()
    return code if isinstance(code, grpc.StatusCode) else _BY_NUMBER.get(code, grpc.StatusCode.OK)
