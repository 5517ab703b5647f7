"""Tags of a job, as they are stored: a text in which each can be looked for."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

from gateway.invalid_fields import BadValue
from tally.messages.message import Message

MOST_TAGS = 20
_MOST_CHARACTERS = 40
_SEPARATOR = ","


def _normal(tag: str) -> str:
    """Without spaces around it, and in small letters: a tag is one however it is typed."""
    if not tag.isprintable() or _SEPARATOR in tag or not tag.strip():
        raise BadValue(Message("tag_invalid"))
    return tag.strip().lower()


Tag = Annotated[str, Field(min_length=1, max_length=_MOST_CHARACTERS), AfterValidator(_normal)]


def as_stored(tags: Iterable[str]) -> str:
    """Sorted, each once and between separators.

    >>> as_stored(["red", "apples"])
    ',apples,red,'
    """
    listed = sorted(set(tags))
    return f"{_SEPARATOR}{_SEPARATOR.join(listed)}{_SEPARATOR}" if listed else ""


def from_stored(text: str) -> list[str]:
    return text.strip(_SEPARATOR).split(_SEPARATOR) if text else []
