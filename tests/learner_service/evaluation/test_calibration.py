"""Calibration by hand: the bins, their error, and what leaving out less probable counts leaves."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, replace

import pytest
from pydantic import TypeAdapter

from learner_service.evaluation.answers import ScoredAnswer
from learner_service.evaluation.calibration import model_calibration
from learner_service.evaluation.comparison import comparison
from learner_service.evaluation.report import csv_text
from tally.job.comparison import Comparison
from tests.learner_service.evaluation.test_comparison import FOUR, score


def answers(*given: tuple[float, int | None]) -> list[ScoredAnswer]:
    """To rows with 3 objects each: the probability of each answer, and its count."""
    return [
        ScoredAnswer(text=f"{count}", score=score(count, 3), probability=probability)
        for probability, count in given
    ]


FIVE = answers((0.95, 3), (0.99, 2), (0.92, 3), (0.45, 4), (0.97, None))


def test_the_bins_of_five_answers():
    """Two of three right at a mean of 2.86 / 3; one wrong at 0.45; one without a count."""
    found = model_calibration(FIVE)
    assert [(one.from_probability, one.to_probability, one.num_answers) for one in found.bins] == [
        (0.4, 0.5, 1),
        (0.9, 1.0, 3),
    ]
    low, high = found.bins
    assert (low.mean_probability, low.exact_rate) == (0.45, 0.0)
    assert high.mean_probability == pytest.approx(2.86 / 3)
    assert high.exact_rate == pytest.approx(2 / 3)
    by_hand = 1 / 4 * 0.45 + 3 / 4 * (2.86 / 3 - 2 / 3)
    assert found.expected_calibration_error == pytest.approx(by_hand)


def test_what_is_left_where_less_probable_counts_are_left_out():
    """The bound itself is kept, and an answer without a count never is."""
    found = model_calibration(FIVE).abstention
    assert [(one.abstain_below, one.answered_rate, one.exact_rate) for one in found] == [
        (0.0, 4 / 5, 2 / 4),
        (0.5, 3 / 5, pytest.approx(2 / 3)),
        (0.7, 3 / 5, pytest.approx(2 / 3)),
        (0.8, 3 / 5, pytest.approx(2 / 3)),
        (0.9, 3 / 5, pytest.approx(2 / 3)),
        (0.95, 2 / 5, 1 / 2),
        (0.99, 1 / 5, 0.0),
    ]


@pytest.mark.parametrize(("probability", "first"), [(0.0, 0.0), (0.1, 0.1), (0.7, 0.7), (1.0, 0.9)])
def test_an_edge_begins_a_bin_and_one_is_in_the_last(probability: float, first: float):
    [found] = model_calibration(answers((probability, 3))).bins
    assert found.from_probability == first


def test_without_a_count_there_is_no_figure():
    found = model_calibration(answers((0.9, None)))
    assert (found.bins, found.expected_calibration_error) == ([], None)
    assert {(one.answered_rate, one.exact_rate) for one in found.abstention} == {(0.0, None)}


def test_a_comparison_has_both_and_its_table_the_probabilities():
    sure = [replace(one, adapter=replace(one.adapter, probability=0.75)) for one in FOUR]
    found = comparison(sure, seed=1).calibration
    assert found is not None
    # Of the base one of three counts is right at 0.5, of the adapter three of four at 0.75.
    assert found.base.expected_calibration_error == pytest.approx(1 / 2 - 1 / 3)
    assert found.adapter.expected_calibration_error == 0.0
    assert probabilities(csv_text(sure)) == ["0.5", "0.75"] * 4


def test_a_comparison_from_before_it_was_measured_is_read():
    old = asdict(comparison(FOUR, seed=1))
    del old["calibration"]
    assert TypeAdapter(Comparison).validate_python(old).calibration is None


def probabilities(table: str) -> Sequence[str]:
    return [line["probability"] for line in csv.DictReader(io.StringIO(table))]
