"""Where a gateway is, and how what goes wrong on the way to it is said."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tally.client.errors import ClientError, GatewayUnreachable, NothingListens
from tally.client.refusals import to_refusal

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_SECONDS = 30.0


class GatewayAddress:
    """`language`, such as zh-TW, is that in which refusals are said, where the gateway knows it."""

    def __init__(self, url: str, token: str | None, language: str | None) -> None:
        self.url = url.rstrip("/")
        known = {"Authorization": token and f"Bearer {token}", "Accept-Language": language}
        self._headers = {name: value for name, value in known.items() if value}

    def options(self, timeout_seconds: float) -> dict[str, Any]:
        """Of httpx's clients. A gateway is named outright; proxies of the environment are for the
        rest of the world."""
        return {
            "base_url": self.url,
            "headers": self._headers,
            "timeout": timeout_seconds,
            "trust_env": False,
        }

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """httpx's exceptions → ours."""
        try:
            yield
        except httpx.ConnectError as error:
            raise NothingListens(f"No gateway answers at {self.url}.") from error
        except httpx.TimeoutException as error:
            raise GatewayUnreachable(f"The gateway at {self.url} took too long.") from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise GatewayUnreachable(f"{self.url!r} is not a URL like http://host:8000.") from error
        except httpx.TransportError as error:
            message = f"The connection to the gateway at {self.url} broke."
            raise GatewayUnreachable(message) from error

    @contextmanager
    def translate_unreadable(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError) as error:
            message = f"What answers at {self.url} is not a Tally gateway."
            raise GatewayUnreachable(message) from error

    def refusal(self, response: httpx.Response) -> ClientError:
        """Of an answer that has been read and is none of success."""
        return to_refusal(response, self.url)
