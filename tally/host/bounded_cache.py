"""A cache with a bound in bytes, the least recently used out first."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from cachetools import LRUCache

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(LRUCache[Key, Value]):
    """At most `max_bytes` of values, by `size_bytes`. One that is larger alone is not kept.

    Example:
        >>> cache = BoundedCache[str, bytes](10, len)
        >>> cache["a"] = b"six..."; cache["b"] = b"four"; cache["c"] = b"one more"
        >>> list(cache)
        ['c']
        >>> cache["d"] = b"more than ten bytes"; list(cache)
        ['c']
    """

    def __init__(self, max_bytes: int, size_bytes: Callable[[Value], int]) -> None:
        super().__init__(max_bytes, getsizeof=size_bytes)

    def __setitem__(self, key: Key, value: Value) -> None:
        if self.getsizeof(value) <= self.maxsize:
            super().__setitem__(key, value)
