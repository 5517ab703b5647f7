"""Calls of a gRPC server by method and status: counted, and how long they took."""

import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from prometheus_client import CollectorRegistry, Counter, Histogram

from tally.rpc.handlers import kind_of, rebuild, status_at_end

_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2, 5, 10, 30, 60, 300, 600)
# Strangers may name any method; each would be a series of its own.
_UNKNOWN = ("unknown", "unknown")


class CallMetrics(grpc.aio.ServerInterceptor):
    """Outermost of a server's interceptors, so that what another refuses counts too.

    `service_names` are the full names of the services whose methods are told apart.
    """

    def __init__(self, registry: CollectorRegistry, service_names: Iterable[str]) -> None:
        self._methods = {
            f"/{name}/{method.name}": (name, method.name)
            for name in service_names
            for method in descriptor_pool.Default().FindServiceByName(name).methods
        }
        labels = ["grpc_service", "grpc_method"]
        self._handled = Counter(
            "grpc_server_handled",
            "Calls that have ended, by their status.",
            [*labels, "grpc_code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "grpc_server_handling_seconds",
            "Seconds from a call's first byte to its end.",
            labels,
            buckets=_SECONDS,
            registry=registry,
        )

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        method = self._methods.get(handler_call_details.method, _UNKNOWN)
        behaviour = self._measure(getattr(handler, kind_of(handler)), method)
        return rebuild(handler, behaviour, handler.request_deserializer)

    def _measure(
        self, behaviour: Callable[..., Any], method: tuple[str, str]
    ) -> Callable[..., Any]:
        async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
            with self._note(method, context):
                return await behaviour(request, context)

        async def stream(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            with self._note(method, context):
                async with aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        yield response

        return stream if inspect.isasyncgenfunction(behaviour) else call

    @contextmanager
    def _note(self, method: tuple[str, str], context: grpc.aio.ServicerContext) -> Iterator[None]:
        began, status = time.monotonic(), grpc.StatusCode.CANCELLED
        try:
            yield
            status = status_at_end(context)
        except grpc.aio.AbortError:
            status = status_at_end(context)
            raise
        finally:
            self._handled.labels(*method, status.name).inc()
            self._seconds.labels(*method).observe(time.monotonic() - began)
