"""A full disk, told from what else can go wrong with a file."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tally.rpc.errors import TallyError


def is_full_disk(error: OSError) -> bool:
    """Whether there was no room on the disk, or none left of a quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def full_disk_as(error: TallyError) -> Iterator[None]:
    """Raises `error` in place of what a full disk raises."""
    try:
        yield
    except OSError as cause:
        if is_full_disk(cause):
            raise error from cause
        raise
