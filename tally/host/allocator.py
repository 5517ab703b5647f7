"""What glibc's allocator does with blocks of megabytes.

It learns to keep them in its heaps. While a model is loaded, such blocks come and go between others
that stay, and the holes that they leave fit nothing: of a base of 3B in 4 bits, a gigabyte.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_APART_BYTES = 1024**2
# What glibc comes to by itself where large blocks are freed.
_HEAP_BYTES = 32 * 1024**2


@contextmanager
def large_blocks_apart() -> Iterator[None]:
    """Until the end of the block, what is large has pages of its own, which go with it.

    Of the whole process; without glibc nothing changes.
    """
    _keep_in_heaps(_APART_BYTES)
    try:
        yield
    finally:
        _keep_in_heaps(_HEAP_BYTES)


def _keep_in_heaps(most_bytes: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, most_bytes)
        mallopt(_M_TRIM_THRESHOLD, 2 * most_bytes)
