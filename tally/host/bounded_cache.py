"""A cache with a bound, the least recently used out first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(MutableMapping[Key, Value]):
    """At most `max_size` of values, by `size_of`: bytes, or 1 each. One too large is not kept.

    Example:
        >>> cache = BoundedCache[str, bytes](10, len)
        >>> cache["a"] = b"six..."; cache["b"] = b"four"; cache["c"] = b"one more"
        >>> list(cache)
        ['c']
        >>> cache["d"] = b"more than ten bytes"; list(cache)
        ['c']
    """

    def __init__(self, max_size: int, size_of: Callable[[Value], int] = lambda value: 1) -> None:
        self.max_size = max_size
        self.size = 0
        self._size_of = size_of
        self._values: OrderedDict[Key, Value] = OrderedDict()  # the least recently used first

    def __getitem__(self, key: Key) -> Value:
        value = self._values[key]
        self._values.move_to_end(key)
        return value

    def __setitem__(self, key: Key, value: Value) -> None:
        size = self._size_of(value)
        if size > self.max_size:
            return
        self.pop(key, None)
        self.make_room(size)
        self._values[key] = value
        self.size += size

    def __delitem__(self, key: Key) -> None:
        self.size -= self._size_of(self._values.pop(key))

    def __contains__(self, key: object) -> bool:
        """Looking whether a value is kept is no use of it."""
        return key in self._values

    def __iter__(self) -> Iterator[Key]:
        """A value that is read meanwhile changes its place."""
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def make_room(self, size: int) -> None:
        """Lets go of values until there is room for `size`."""
        while self._values and self.size + size > self.max_size:
            del self[next(iter(self._values))]
