import pytest
from hypothesis import given
from hypothesis import strategies as st

from learner_service.grpo.strata import share_out

UNTAUGHT = st.lists(st.integers(0, 7), min_size=1, max_size=60)


def shared_out(untaught: list[int], places: int) -> list[tuple[int, int]]:
    """Of each stratum: its rows, its places."""
    return [(len(one.rows), one.places) for one in share_out(untaught, places)]


@pytest.mark.parametrize(
    ("counts", "places", "strata"),
    [
        # Rows that taught, that taught nothing once, twice, …
        ((300,), 8, [(300, 8)]),
        # They weigh 6.25, 25 and 100: the first are worth 0.38 of 8 places.
        ((100, 100, 100), 8, [(200, 2), (100, 6)]),
        # 10.625, 25 and 30: 1.3, 3.0 and 3.7 of 8 places.
        ((30, 100, 170), 8, [(170, 1), (100, 3), (30, 4)]),
        # 0.98, 1.56, 1.25, 1, 2: 1.15, 1.84, 1.47, 1.18 and 2.36 of 8 places.
        ((2, 4, 20, 100, 250), 8, [(250, 1), (100, 2), (20, 2), (4, 1), (2, 2)]),
        # 0.78, 0.31, 0.25, 1, 10: the first three are worth 0.87 of 8 places, the first four 1.5.
        ((10, 4, 4, 20, 200), 8, [(228, 2), (10, 6)]),
        # However little a few rows are worth, one of them is asked.
        ((294, 6), 8, [(6, 1), (294, 7)]),
        # No stratum has more places than rows.
        ((2, 0, 298), 8, [(298, 7), (2, 1)]),
        ((2, 0, 20), 8, [(20, 6), (2, 2)]),
        ((5, 5, 5), 20, [(10, 10), (5, 5)]),
        ((0, 0, 0, 0, 40), 8, [(40, 8)]),
        # A place for each stratum: fewer strata for fewer places.
        ((100, 100, 100), 2, [(200, 1), (100, 1)]),
        ((100, 100, 100), 1, [(300, 1)]),
    ],
)
def test_by_hand(counts: tuple[int, ...], places: int, strata: list[tuple[int, int]]):
    untaught = [times for times, number in enumerate(counts) for _ in range(number)]
    assert shared_out(untaught, places) == strata


@given(UNTAUGHT, st.integers(1, 20))
def test_every_row_has_a_place_it_may_get(untaught: list[int], places: int):
    strata = share_out(untaught, places)
    assert sorted(row for one in strata for row in one.rows) == list(range(len(untaught)))
    assert all(1 <= one.places <= len(one.rows) for one in strata)
    assert sum(one.places for one in strata) == min(places, len(untaught))


@given(UNTAUGHT, st.integers(1, 20))
def test_what_a_step_is_expected_to_measure_is_the_mean_of_all_rows(
    untaught: list[int], places: int
):
    measured = [float(row**2) for row in range(len(untaught))]
    expected = 0.0
    for stratum in share_out(untaught, places):
        chance = stratum.places / len(stratum.rows)
        weight = stratum.share / stratum.places
        expected += sum(chance * weight * measured[row] for row in stratum.rows)
    assert expected == pytest.approx(sum(measured) / len(measured))
