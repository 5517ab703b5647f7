"""A full disk, told from what else can go wrong with a file."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from rpc.errors import TallyError


@contextmanager
def full_disk_as(error: TallyError) -> Iterator[None]:
    """Raises `error` where there is no room on the disk, or none left of a quota."""
    try:
        yield
    except OSError as cause:
        if cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise error from cause
        raise
