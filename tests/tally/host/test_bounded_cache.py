"""A bound, the least recently used out first."""

from hypothesis import given
from hypothesis import strategies as st

from tally.host.bounded_cache import BoundedCache


def test_the_least_recently_used_goes_first():
    cache = BoundedCache[str, bytes](6, len)
    cache["a"], cache["b"] = b"aaa", b"bbb"
    assert cache["a"] == b"aaa"
    cache["c"] = b"ccc"
    assert set(cache) == {"a", "c"}


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=12))))
def test_it_never_holds_more_than_its_bound(entries: list[tuple[int, bytes]]):
    cache = BoundedCache[int, bytes](20, len)
    for key, value in entries:
        cache[key] = value
        assert sum(map(len, cache.values())) == cache.size <= 20
        assert cache[key] == value


def test_one_that_is_too_large_alone_is_not_kept():
    cache = BoundedCache[str, bytes](4, len)
    cache["small"] = b"1234"
    cache["large"] = b"12345"
    assert set(cache) == {"small"}
