"""A gateway from Python: `Client`, and `AsyncClient` whose same methods are awaited."""

from tally.client.async_client import AsyncClient
from tally.client.client import Client
from tally.client.errors import (
    ClientError,
    Fault,
    GatewayUnreachable,
    NothingListens,
    OtherDownload,
    RequestRefused,
    TokenRefused,
)
from tally.client.events import Event

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Event",
    "Fault",
    "GatewayUnreachable",
    "NothingListens",
    "OtherDownload",
    "RequestRefused",
    "TokenRefused",
]
