"""The readers of uploads, fed by the search: whatever they are given is read or refused."""

import pytest

from bench.slowest import search
from bench.upload_cost import READERS


@pytest.mark.parametrize("name", READERS)
def test_every_fragment_is_read_or_refused(name: str):
    reader = READERS[name]
    for fragments in [*((one,) for one in reader.fragments), tuple(reader.fragments)]:
        data = reader.make(fragments, 2_000)
        assert len(data) == len(reader.start) + 2_000
        assert reader.cost(fragments, 2_000) >= 0


def test_the_search_keeps_what_costs_most():
    def cost_of(fragments: tuple[str, ...]) -> float:
        return "".join(fragments).count("ab")

    first = search("ab", cost_of, seed=5, minutes=0.002)
    assert first[0].cost >= 3
    assert [one.cost for one in first] == sorted((one.cost for one in first), reverse=True)
