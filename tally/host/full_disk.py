"""A full disk, told from what else can go wrong with a file."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

# Databases and safetensors hand on the words alone, and torch only that a write came short.
_WORDS = (
    "no space left on device",
    "quota exceeded",
    "disk is full",
    "could not extend file",
    "unexpected pos",
    "pytorchstreamwriter failed writing",
)


def is_full_disk(error: BaseException) -> bool:
    """Whether there was no room on the disk, or none left of a quota."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    text = str(error).lower()
    return any(words in text for words in _WORDS)


@contextmanager
def full_disk_as(error: Exception) -> Iterator[None]:
    """Raises `error` in place of what a full disk raises."""
    try:
        yield
    except Exception as cause:
        if is_full_disk(cause):
            raise error from cause
        raise
