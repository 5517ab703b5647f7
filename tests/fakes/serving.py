"""A servicer behind a real server, on a port of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from tally.rpc.server import RpcServer
from tally.rpc.settings import ServerSettings


@asynccontextmanager
async def serve(
    add: Callable[[Any, grpc.aio.Server], None],
    servicer: object,
    service_name: str = "",
    host: str = "127.0.0.1",
    secret: str | None = None,
) -> AsyncIterator[RpcServer]:
    """`add` is the generated add_…Servicer_to_server; the health of `service_name` is SERVING."""
    names = [service_name] if service_name else []
    server = RpcServer(
        ServerSettings(host=host),
        service_names=names,
        register=lambda s: add(servicer, s),
        secret=secret,
    )
    await server.start()
    await server.set_serving(True)
    try:
        yield server
    finally:
        await server.stop(0)
