"""A request as a value: what is asked, and how the answer is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Generic, NamedTuple, TypeVar
from urllib.parse import quote

import httpx

T = TypeVar("T")
# Checking an uploaded ZIP takes the gateway a while after the last byte.
UPLOAD_SECONDS = 1800.0
# The base model answers a sample, and may have to be loaded first.
ANSWER_SECONDS = 600.0


class Part(NamedTuple):
    """The file of a form: it is read as it is sent."""

    name: str
    filename: str
    file: BinaryIO
    content_type: str = "application/zip"


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T]):
    """`route` names what `ids` has in braces; of `query`, `texts` and `headers` what is None is
    left out. With a `part` it is a form, whose other fields are the `texts`."""

    method: str
    route: str
    read: Callable[[httpx.Response], T]
    ids: Mapping[str, object] = field(default_factory=dict)
    query: Mapping[str, object] = field(default_factory=dict)
    body: object = None
    part: Part | None = None
    texts: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str | None] = field(default_factory=dict)
    timeout_seconds: float | None = None

    @property
    def path(self) -> str:
        """Each id is one part of it, whatever it holds."""
        parts = {name: quote(str(value), safe="") for name, value in self.ids.items()}
        return self.route.format(**parts)

    def options(self) -> dict[str, Any]:
        """As httpx takes them."""
        options: dict[str, Any] = {
            "params": _without_none(self.query),
            "headers": _without_none(self.headers),
        }
        if self.part is not None:
            name, *file = self.part
            options["files"] = {name: tuple(file)}
            options["data"] = {
                name: str(value) for name, value in _without_none(self.texts).items()
            }
        elif self.body is not None:
            options["json"] = self.body
        if self.timeout_seconds is not None:
            options["timeout"] = self.timeout_seconds
        return options


def delete(route: str, ids: Mapping[str, object], *, purge: bool = False) -> Call[Any]:
    """Asks what is at `route` to stop; with `purge` it has ended, and is deleted. An upload, which
    never runs, is deleted without."""
    query = {"purge": purge or None}
    return Call(method="DELETE", route=route, ids=ids, query=query, read=read_json)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def read_json(response: httpx.Response) -> Any:
    """Raises ValueError where it is none."""
    return response.json()


def read_bytes(response: httpx.Response) -> bytes:
    return response.content


def read_text(response: httpx.Response) -> str:
    return response.text
