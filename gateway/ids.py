"""Ids as this service writes them."""

import uuid


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in lower case with hyphens."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
