"""What the gateway says of itself."""

from typing import Any

import httpx

from tally.client.answers import BaseModelPublic
from tally.client.call import Call, read_json


def get_about() -> Call[dict[str, Any]]:
    """Its name, its endpoints, and whom it takes you for."""
    return Call(method="GET", route="/", read=read_json)


def get_data_format() -> Call[dict[str, Any]]:
    """The layout of a ZIP of training data, its limits, and the training defaults."""
    return Call(method="GET", route="/data-format", read=read_json)


def get_health() -> Call[dict[str, str]]:
    """Raises RequestRefused with 503 while the gateway's database does not answer."""
    return Call(method="GET", route="/healthz", read=read_json)


def list_models() -> Call[list[BaseModelPublic]]:
    """The base models that a request may name, the default first, with their licences."""
    return Call(method="GET", route="/models", read=read_json)


def get_openapi() -> Call[dict[str, Any]]:
    """What the gateway says of its own routes and their bodies."""
    return Call(method="GET", route="/openapi.json", read=read_json)


def get_presets() -> Call[dict[str, dict[str, Any]]]:
    """Name → parts of a body of `train`; those that the page offers, where there is the page."""

    def read(response: httpx.Response) -> dict[str, dict[str, Any]]:
        presets: dict[str, dict[str, Any]] = response.json()["presets"]
        return presets

    return Call(method="GET", route="/ui/presets.json", read=read)
