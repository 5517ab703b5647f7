"""One way to serve: health, reflection, the secret, errors, limits, and a drain on SIGTERM."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from tally.host.garbage import leave_out_what_lives
from tally.rpc.interceptors import ErrorInterceptor
from tally.rpc.secret import SecretCheck
from tally.rpc.settings import ServerSettings
from tally.rpc.tls import server_credentials

_log = logging.getLogger(__name__)
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

Register = Callable[[grpc.aio.Server], None]


async def _nothing() -> None:
    pass


async def _for_ever() -> None:
    await asyncio.Event().wait()


class RpcServer:
    """A gRPC server that answers health and reflection; NOT_SERVING until told otherwise.

    `register` adds the servicers; `service_names` are their full names, for health and reflection.
    A call of theirs that does not show `secret` is refused, where there is one. `interceptors` see
    every call before that.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        service_names: Sequence[str],
        register: Register,
        secret: str | None = None,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    ) -> None:
        self._settings = settings
        self._service_names = tuple(service_names)
        silence_milliseconds = round(1000 * settings.keepalive_seconds)
        self._server = grpc.aio.server(
            interceptors=[
                *interceptors,
                *([SecretCheck(secret)] if secret else []),
                ErrorInterceptor(),
            ],
            maximum_concurrent_rpcs=settings.max_concurrent_calls,
            options=[
                ("grpc.max_receive_message_length", settings.max_message_bytes),
                ("grpc.max_send_message_length", settings.max_message_bytes),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.keepalive_time_ms", silence_milliseconds),
                ("grpc.keepalive_timeout_ms", silence_milliseconds),
                ("grpc.http2.ping_timeout_ms", silence_milliseconds),
                ("grpc.http2.max_pings_without_data", 0),
                # The callers are our own, and pings that are delivered late come in bursts.
                ("grpc.http2.max_ping_strikes", 0),
                # Its end makes a client ask the name again, and so find replicas that joined.
                ("grpc.max_connection_age_ms", round(1000 * settings.connection_age_seconds)),
                ("grpc.so_reuseport", 0),
            ],
        )
        register(self._server)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*self._service_names, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self.port = self._bind()

    def _bind(self) -> int:
        address = f"{self._settings.host}:{self._settings.port}"
        if self._settings.tls.enabled:
            return self._server.add_secure_port(address, server_credentials(self._settings.tls))
        return self._server.add_insecure_port(address)

    async def start(self) -> None:
        await self.set_serving(False)
        await self._server.start()

    async def set_serving(self, serving: bool) -> None:
        status = _SERVING if serving else _NOT_SERVING
        for name in ("", *self._service_names):
            await self._health.set(name, status)

    async def stop(self, grace_seconds: float) -> None:
        """Takes no new calls, lets those in progress end within the grace, then cancels them."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_seconds)


async def serve(
    server: RpcServer,
    settings: ServerSettings,
    *,
    load: Callable[[], Awaitable[None]] = _nothing,
    watch: Callable[[], Awaitable[None]] = _for_ever,
    drain: Callable[[], Awaitable[None]] = _nothing,
) -> None:
    """Runs `server` until SIGTERM or SIGINT.

    Health turns SERVING when `load` has returned; what `load` raises ends the server, and so does
    what `watch` raises, which runs from then on. On either, and on a signal, health turns
    NOT_SERVING, `drain` runs, then calls in progress get `drain_seconds` to end.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopping.set)
    await server.start()
    _log.info("listening on %s:%d", settings.host, server.port)
    try:
        if await _runs_to_its_end(load, stopping):
            leave_out_what_lives()
            await server.set_serving(True)
            _log.info("serving")
            await _runs_to_its_end(watch, stopping)
    finally:
        _log.info("draining")
        await server.set_serving(False)
        await drain()
        await server.stop(settings.drain_seconds)


async def _runs_to_its_end(work: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> bool:
    """Whether `work` ended before a signal came; raises what it raised."""
    working = asyncio.ensure_future(work())
    signalled = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({working, signalled}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if not working.done():
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return False
    await working
    return True
