"""Intervals: of shares against published ones, of other figures against all resamples there are."""

import itertools
import statistics

import numpy as np
import pytest

from learner_service.evaluation.bootstrap import paired_intervals
from learner_service.evaluation.paired_shares import difference_interval
from learner_service.evaluation.row_scores import SCORES, row_scores, weighted_medians
from learner_service.evaluation.wilson import wilson_interval
from tests.learner_service.evaluation.test_comparison import compared, score

EXACT, MEDIAN, SILENT = map(
    SCORES.index, ("exact_rate", "median_absolute_count_error", "parse_failure_rate")
)
ERRORS = [
    SCORES.index(name)
    for name in ("mean_absolute_count_error", "root_mean_square_count_error", SCORES[MEDIAN])
]


@pytest.mark.parametrize(
    ("hits", "trials", "published"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_the_interval_of_a_share_is_the_published_one(hits, trials, published):
    """Newcombe, Statistics in Medicine 17, 1998, pages 857 to 872, table I, method 3."""
    assert wilson_interval(hits / trials, trials) == pytest.approx(published, abs=6e-5)


def drawn_pairs(generator: np.random.Generator, chances: list[float], rows: int):
    """Hits of base and adapter in rows, each a draw of: both, base alone, adapter alone, none."""
    kind = generator.choice(4, rows, p=chances)
    return np.isin(kind, (0, 1)).astype(float), np.isin(kind, (0, 2)).astype(float)


@pytest.mark.parametrize("rows", [20, 60])
@pytest.mark.parametrize("chances", [[0.6, 0.1, 0.2, 0.1], [0.9, 0.01, 0.08, 0.01]])
def test_the_interval_of_a_difference_holds_the_true_one_as_often_as_it_says(rows, chances):
    generator = np.random.default_rng(5)
    true = chances[2] - chances[1]
    held = 0
    for _ in range(1000):
        low, high = difference_interval(*drawn_pairs(generator, chances, rows), rows)
        held += low <= true <= high
    assert 0.93 <= held / 1000 < 1


def test_who_is_always_right_and_who_never_differ_by_all_but_what_six_leave_open():
    low, high = difference_interval(np.zeros(6), np.ones(6), 6)
    assert high == 1.0
    assert low == pytest.approx(1 - np.hypot(0.3903, 0.3903), abs=1e-4)


def test_a_weighted_median_is_that_of_rows_written_out():
    generator = np.random.default_rng(3)
    values = np.sort(generator.integers(0, 9, 12)).astype(float)
    weights = generator.integers(0, 3, (50, 12)).astype(float)
    written_out = [np.repeat(values, row.astype(int)) for row in weights]
    expected = [statistics.median(one) for one in written_out]
    assert weighted_medians(values, weights).tolist() == expected
    assert np.isnan(weighted_medians(values, np.zeros((1, 12)))).all()


def test_the_interval_is_that_of_all_resamples_there_are():
    """Of three images there are 27 equally likely resamples: their quantiles are counted out."""
    both = [compared(2, 3, 3, 3), compared(3, 3, 2, 3), compared(4, 3, 1, 2)]
    base = row_scores([one.base.score for one in both])
    adapter = row_scores([one.adapter.score for one in both])
    found = paired_intervals(base.values, adapter.values, ["a", "b", "c"], seed=1)
    exact = np.array([[1, 0, 0], [1, 1, 0]])
    draws = list(itertools.product(range(3), repeat=3))
    differences = [np.mean(exact[1, list(d)]) - np.mean(exact[0, list(d)]) for d in draws]
    # P(0) = 8/27 and P(1) = 1/27 are both beyond 2.5 %, so the ends are exact.
    assert found.difference[:, EXACT] == pytest.approx([min(differences), max(differences)])
    assert found.resamples == 10_000


def test_the_ends_cut_off_two_and_a_half_percent():
    """Of 100 images with 30 right, the mean's interval is near the binomial's 0.21 to 0.39."""
    scores = [score(3 if number < 30 else 2, 3) for number in range(100)]
    figures = row_scores(scores)
    found = paired_intervals(figures.values, figures.values, [str(n) for n in range(100)], seed=7)
    assert found.base[:, EXACT] == pytest.approx([0.21, 0.39], abs=0.011)
    assert found.difference[:, EXACT] == pytest.approx([0, 0])


def test_rows_of_one_image_are_drawn_together():
    scores = [score(3, 3)] * 5 + [score(2, 3)] * 5
    figures = row_scores(scores)
    two_images = paired_intervals(figures.values, figures.values, ["a"] * 5 + ["b"] * 5, seed=1)
    assert two_images.base[:, EXACT] == pytest.approx([0.0, 1.0])


def test_a_score_that_no_resample_has_gets_no_interval():
    silent = row_scores([score(None, 3)] * 4)
    ends = paired_intervals(silent.values, silent.values, list("abcd"), seed=1).base
    assert np.isnan(ends[:, ERRORS]).all()
    assert ends[:, SILENT] == pytest.approx([1.0, 1.0])


def test_weights_count_a_row_as_often_as_they_say():
    scores = row_scores([score(3, 3), score(5, 3), score(None, 3)])
    weighted = scores.values(np.array([[2.0, 0.0, 0.0], [1.0, 2.0, 1.0]]))
    assert weighted[:, EXACT].tolist() == [1.0, 0.25]
    assert weighted[:, MEDIAN].tolist() == [0.0, 2.0]
    assert weighted[:, ERRORS[0]] == pytest.approx([0.0, 4 / 3])
