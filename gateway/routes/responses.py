"""Refusals as the OpenAPI document describes them."""

from typing import Any

from gateway.errors import ErrorBody

Responses = dict[int | str, dict[str, Any]]


def refusal(status: int, description: str) -> Responses:
    return {status: {"model": ErrorBody, "description": description}}
