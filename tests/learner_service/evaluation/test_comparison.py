"""The comparison, by hand: its figures, its intervals, its matrix, its warnings."""

import math
from dataclasses import asdict

import numpy as np
import pytest

from learner_service.clients.rewards import Score
from learner_service.data.dataset import Row
from learner_service.evaluation.answers import RowAnswers, ScoredAnswer
from learner_service.evaluation.comparison import comparison, count_label

REWARDS = {0: 1.0, 1: 0.85, 2: 0.7, 3: 0.4, 4: 0.3, 5: 0.2}


def score(count: int | None, true: int) -> Score:
    difference = None if count is None else abs(count - true)
    return Score(count=count, difference=difference, reward=REWARDS.get(difference, 0.0))


def compared(
    number: int, true: int, base: int | None, adapter: int | None, *, kind="apples", image=None
) -> RowAnswers:
    row = Row(
        number=number,
        question=f"How many {kind} are there?",
        true_count=true,
        image_digest=f"{number if image is None else image:064x}",
        width=56,
        height=56,
    )
    return RowAnswers(
        row=row,
        base=ScoredAnswer(text=f"{base} {kind}", score=score(base, true), probability=0.5),
        adapter=ScoredAnswer(text=f"{adapter} {kind}", score=score(adapter, true), probability=0.5),
    )


FOUR = [
    compared(2, 3, 3, 3),
    compared(3, 3, 2, 3),
    compared(4, 5, None, 5, kind="cars"),
    compared(5, 7, 4, 6, kind="cars"),
]


def test_the_figures_of_four_answers():
    result = comparison(FOUR, seed=43)
    base, adapter, difference = result.base, result.adapter, result.difference
    assert (base.exact_rate, base.within_one_rate) == (0.25, 0.5)
    assert base.mean_absolute_count_error == pytest.approx((0 + 1 + 3) / 3)
    assert base.median_absolute_count_error == 1.0
    assert base.root_mean_square_count_error == pytest.approx(math.sqrt((0 + 1 + 9) / 3))
    assert base.reward_mean == pytest.approx((1.0 + 0.85 + 0.0 + 0.4) / 4)
    assert base.parse_failure_rate == 0.25
    assert (adapter.exact_rate, adapter.mean_absolute_count_error) == (0.75, 0.25)
    assert difference.exact_rate == 0.5
    assert difference.mean_absolute_count_error == pytest.approx(0.25 - 4 / 3)


def test_the_parts_by_count_and_by_kind():
    result = comparison(FOUR, seed=43)
    assert [(part.label, part.num_samples) for part in result.by_count] == [
        ("3", 2),
        ("5", 1),
        ("7", 1),
    ]
    assert [part.label for part in result.by_kind] == ["apples", "cars"]
    cars = result.by_kind[1]
    assert (cars.base.exact_rate, cars.adapter.exact_rate) == (0.0, 0.5)
    nothing_said = result.by_count[1].base
    assert nothing_said.mean_absolute_count_error is None
    assert nothing_said.median_absolute_count_error is None
    assert nothing_said.parse_failure_rate == 1.0


def test_the_matrix_has_a_row_for_each_true_count_and_a_column_for_each_answer():
    matrix = comparison(FOUR, seed=43).matrix
    assert matrix.true_labels == ["3", "5", "7"]
    assert matrix.answer_labels == ["2", "3", "4", "5", "6", "7", "no count"]
    assert matrix.base == [
        [1, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 1, 0, 0, 0, 0],
    ]
    assert np.sum(matrix.adapter) == 4


@pytest.mark.parametrize(
    ("count", "label"), [(0, "0"), (20, "20"), (21, "21–30"), (50, "31–50"), (10**9, "101+")]
)
def test_counts_above_twenty_share_a_label(count: int, label: str):
    assert count_label(count) == label


def test_the_worst_come_first_and_right_answers_never():
    worst = comparison([*FOUR, compared(6, 4, 4, None), compared(7, 9, 9, 2)], seed=43).worst
    assert [one.row for one in worst] == [6, 7, 5]
    assert asdict(worst[1].adapter) == {
        "text": "2 apples",
        "count": 2,
        "difference": 7,
        "reward": 0.0,
    }


def test_six_of_six_is_no_certainty():
    """Wilson's interval of 6 of 6 begins at 6 / (6 + z²), and so does its difference's, doubled."""
    right = [compared(2 + n, 3, 3, 3) for n in range(6)]
    result = comparison(right, seed=1)
    assert result.adapter.intervals["exact_rate"] == pytest.approx((0.6097, 1.0), abs=1e-4)
    assert result.adapter.intervals["parse_failure_rate"] == pytest.approx((0, 0.3903), abs=1e-4)
    low, high = result.difference.intervals["exact_rate"]
    assert (low, high) == pytest.approx((-0.3903, 0.3903), abs=1e-4)


def test_rows_of_one_image_are_one_trial():
    right = [compared(2 + n, 3, 3, 3, image=n % 6) for n in range(60)]
    assert comparison(right, seed=1).adapter.intervals["exact_rate"] == pytest.approx(
        (0.6097, 1.0), abs=1e-4
    )


def test_one_absurd_answer_decides_neither_the_median_nor_the_share_far_off():
    rows = [compared(2 + n, 3, 3, 3 if n % 2 else 4) for n in range(19)]
    result = comparison([*rows, compared(30, 3, 3, 11_111_118)], seed=1)
    assert result.adapter.median_absolute_count_error == 1.0
    assert result.adapter.far_off_rate == 0.05
    assert result.adapter.mean_absolute_count_error > 500_000
    low, high = result.adapter.intervals["median_absolute_count_error"]
    assert 0 <= low <= 1.0 <= high <= 1.0
    five, six = [compared(2, 3, 8, 3)], [compared(2, 3, 9, 3)]
    assert [comparison(one, 1).base.far_off_rate for one in (five, six)] == [0.0, 1.0]


def test_a_model_that_gives_few_answers_is_named():
    spread = [compared(2 + n, 1 + n % 9, 1 + n % 9, 4 + n % 2) for n in range(45)]
    warnings = comparison(spread, seed=1).warnings
    collapsed = next(warning for warning in warnings if "collapsed" in warning)
    assert collapsed.startswith("the adapter has collapsed to a few answers: 100% of them are")
    assert collapsed.endswith("are among 4, 5, which is true of 22% of the rows")


def test_answers_of_no_sense_are_named_with_the_mean_error_without_them():
    sane = [compared(2 + n, 1 + n % 9, 1 + n % 9, 2 + n % 9) for n in range(29)]
    warnings = comparison([*sane, compared(31, 9, 9, 11_111_118)], seed=1).warnings
    assert (
        "1 of the answers of the adapter count more than 10 times the largest true count, up to "
        "11,111,118; without them its mean error is 1.00" in warnings
    )
    within = comparison([*sane, compared(31, 9, 9, 90)], seed=1).warnings
    assert not any("largest true count" in warning for warning in within)


def test_no_difference_and_silence_are_named():
    warnings = comparison([compared(2 + n, 3, 3, None if n < 2 else 3) for n in range(30)], 1)
    assert "7% of the answers of the adapter hold no count" in warnings.warnings
    sure = comparison([compared(2 + n, 3 + n % 5, 2, 3 + n % 5) for n in range(30)], 1)
    assert not [w for w in sure.warnings if "interval" in w]
    same = comparison(FOUR[:1] * 30, 1)
    assert any("holds 0" in warning for warning in same.warnings)
