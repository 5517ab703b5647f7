"""Ids as this service writes them."""

import re

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in lower case with hyphens."""
    return _UUID.fullmatch(text) is not None
