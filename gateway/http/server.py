"""uvicorn with what it lacks here: deadlines, streams that end at once on SIGTERM."""

import logging
import resource
import socket

import uvicorn
from fastapi import FastAPI

from gateway.http.http_protocol import protocol_class
from gateway.settings import GatewaySettings

_log = logging.getLogger(__name__)
# Of databases, uploads, downloads and the services behind.
_OTHER_FILES = 1_000


class GatewayServer(uvicorn.Server):
    """Serves until SIGTERM or SIGINT, then drains and returns."""

    def __init__(self, app: FastAPI, settings: GatewaySettings) -> None:
        self._app = app
        self._settings = settings
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=protocol_class(settings),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
        )
        super().__init__(config)

    @property
    def port(self) -> int:
        address: tuple[str, int] = self.servers[0].sockets[0].getsockname()
        return address[1]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        _allow_as_many_files(self._settings.max_connections)
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


def _allow_as_many_files(most_connections: int) -> None:
    """A server that is out of files accepts nobody; each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = most_connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < needed:
            _log.warning("only %d files may be open; max_connections wants %d", most, needed)
