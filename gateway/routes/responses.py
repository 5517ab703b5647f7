"""Refusals as the OpenAPI document describes them."""

from typing import Any

from gateway.errors import ErrorBody

Responses = dict[int | str, dict[str, Any]]


def content(
    description: str, media_type: str, *, is_binary: bool = False, status: int = 200
) -> Responses:
    """What is answered as it is, and no JSON."""
    schema = {"type": "string", "format": "binary"} if is_binary else {"type": "string"}
    return {status: {"description": description, "content": {media_type: {"schema": schema}}}}


def refusal(status: int, description: str) -> Responses:
    return {status: {"model": ErrorBody, "description": description}}
