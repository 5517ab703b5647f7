"""The page that Prometheus reads, on a port of its own: plain HTTP, for whoever reaches the port.

It is answered from threads of its own, at most a few at once, so that nobody who reads it slowly
takes anything from the service.
"""

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from tally.metrics.settings import MetricsSettings

_log = logging.getLogger(__name__)
_MOST_READERS = 8
_SILENCE_SECONDS = 10.0


@contextmanager
def metrics_page(
    settings: MetricsSettings, service_host: str, registry: CollectorRegistry
) -> Iterator[int | None]:
    """Serves the page while the context is open; yields its port, None where none is set.

    `service_host`: where the service listens. Ends the process where the port can't be had.
    """
    if settings.metrics_port is None:
        yield None
        return
    host = (settings.metrics_host or service_host).strip("[]")
    server = _listen(host, settings.metrics_port)
    server.set_app(make_wsgi_app(registry))
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    _log.info("metrics are read at %s:%d", host, server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _listen(host: str, port: int) -> WSGIServer:
    server = _Ipv6Server if ":" in host else _Server
    try:
        return server((host, port), _Handler)
    except OSError as error:
        sys.exit(f"metrics_port: {host}:{port} can't be listened at: {error.strerror}")


class _Handler(WSGIRequestHandler):
    timeout = _SILENCE_SECONDS

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Prometheus asks every few seconds."""


class _Server(ThreadingMixIn, WSGIServer):
    """Beyond `_MOST_READERS` a connection is closed at once."""

    daemon_threads = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._room = threading.BoundedSemaphore(_MOST_READERS)
        super().__init__(*args, **kwargs)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("a reader of the metrics left", exc_info=True)


class _Ipv6Server(_Server):
    address_family = socket.AF_INET6
