"""uvicorn with what it lacks here: a deadline for headers, streams that end at once on SIGTERM."""

import logging
import socket

import uvicorn
from fastapi import FastAPI

from gateway.http.http_protocol import protocol_class
from gateway.settings import GatewaySettings

_log = logging.getLogger(__name__)


class GatewayServer(uvicorn.Server):
    """Serves until SIGTERM or SIGINT, then drains and returns."""

    def __init__(self, app: FastAPI, settings: GatewaySettings) -> None:
        self._app = app
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=protocol_class(settings.header_seconds),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=settings.max_connections,
            timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        )
        super().__init__(config)

    @property
    def port(self) -> int:
        address: tuple[str, int] = self.servers[0].sockets[0].getsockname()
        return address[1]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _log.info("listening on %s:%d", self.config.host, self.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.services.wakeups.stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: object) -> None:
        # uvicorn would raise the signal again after its drain, and so end with its number.
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True
