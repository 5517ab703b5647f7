"""The bugs of bench.planted_bugs can all be planted in the code as it is."""

from pathlib import Path

import pytest

from bench.planted_bugs import BUGS, Bug

_HOUSE = Path(__file__).parents[2]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_what_it_replaces_is_there_once(bug: Bug):
    assert (_HOUSE / bug.path).read_text().count(bug.right) == 1
