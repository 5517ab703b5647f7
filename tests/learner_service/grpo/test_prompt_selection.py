from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learner_service.grpo.data_order import DataOrder
from learner_service.grpo.prompt_history import PromptHistory
from learner_service.grpo.prompt_selection import HistorySelector, PromptSelector, selector_of
from tally.job.settings import TrainingConfig


@dataclass(frozen=True)
class Sizes:
    """A job's rows, the prompts of a pass, the passes of a step; and its seed."""

    num_rows: int
    batch_size: int
    batches_per_step: int
    seed: int

    @property
    def order(self) -> DataOrder:
        return DataOrder(**vars(self))

    def selector(self, by: str = "by_history") -> PromptSelector:
        config = TrainingConfig(
            batch_size=self.batch_size,
            gradient_accumulation_steps=self.batches_per_step,
            seed=self.seed,
            prompt_selection=by,
        )
        return selector_of(self.order, self.num_rows, config)


SIZES = st.builds(
    Sizes, st.integers(1, 40), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32 - 1)
)
BY = st.sampled_from(["uniform", "by_history"])


def train(selector: PromptSelector, steps: range, staleness: int = 0) -> list[list[int]]:
    """Chooses ahead, as a job does; the rows of each step. What they teach is made up."""
    rows = []
    for step in steps:
        for ahead in range(step, step + staleness + 1):
            selector.choose(ahead)
        chosen = [row.index for row in selector.choose(step)]
        selector.note(step, [Random(f"{step} {row}").random() < 0.3 for row in chosen])
        rows.append(chosen)
    return rows


def by_history(untaught: list[int], places: int) -> HistorySelector:
    order = Sizes(len(untaught), places, 1, 7).order
    return HistorySelector(order, PromptHistory(untaught=untaught), seed=7)


@given(SIZES, BY)
def test_a_step_has_as_many_rows_as_in_turn_and_none_twice(sizes: Sizes, by: str):
    for step, rows in enumerate(train(sizes.selector(by), range(12))):
        in_turn = sizes.order.rows(step)
        assert len(set(rows)) == len(rows) == len(in_turn)
        assert by == "by_history" or rows == in_turn


@given(SIZES, BY, st.integers(0, 3))
def test_the_weights_of_a_step_add_up_to_1(sizes: Sizes, by: str, staleness: int):
    selector = sizes.selector(by)
    train(selector, range(9), staleness)
    assert sum(row.weight for row in selector.choose(9)) == pytest.approx(1)


@given(SIZES, st.integers(0, 3), st.integers(0, 12))
def test_whoever_goes_on_chooses_the_same_rows(sizes: Sizes, staleness: int, cut: int):
    whole, resumed = sizes.selector(), sizes.selector()
    train(whole, range(cut), staleness)
    with TemporaryDirectory() as folder:
        whole.save(Path(folder))
        resumed.load(Path(folder))
    later = range(cut, cut + 8)
    assert [resumed.choose(step) for step in range(cut, cut + staleness)] == [
        whole.choose(step) for step in range(cut, cut + staleness)
    ]
    assert train(resumed, later, staleness) == train(whole, later, staleness)


def test_how_often_rows_are_chosen_and_what_is_expected_to_be_measured_of_them():
    # They weigh 10, 2.5 and 1.25: the last two are worth less than one of 4 places, so together.
    selector = by_history([0] * 10 + [1] * 10 + [2] * 20, places=4)
    draws = [selector.choose(step) for step in range(4000)]
    times = Counter(row.index for drawn in draws for row in drawn)
    assert sum(times[row] for row in range(10)) == 3 * 4000
    assert all(1100 < times[row] < 1300 for row in range(10)), "3 places of 10 rows: 1,200"
    assert all(90 < times[row] < 180 for row in range(10, 40)), "1 place of 30 rows: 133"
    weights = {row.index: row.weight for drawn in draws for row in drawn}
    assert weights[3] == pytest.approx(10 / 40 / 3)
    assert weights[33] == pytest.approx(30 / 40 / 1)
    # Row n measures n: the mean of all is 19.5, that of those that are chosen below 10.
    weighted = [sum(row.index * row.weight for row in drawn) for drawn in draws]
    plain = [sum(row.index for row in drawn) / len(drawn) for drawn in draws]
    assert sum(weighted) / len(draws) == pytest.approx(19.5, abs=0.3)
    assert sum(plain) / len(draws) < 10


def test_what_groups_teach_is_counted_by_row():
    history = PromptHistory(untaught=[0, 3, 1, 5])
    selector = HistorySelector(Sizes(4, 4, 1, 0).order, history, seed=0)
    rows = [row.index for row in selector.choose(0)]
    selector.note(0, [row in {0, 1} for row in rows])
    assert history.untaught == [0, 0, 2, 6]
    assert not history.chosen


def test_no_row_is_forgotten():
    """Two of 30 rows teach always, the others never: all of them come again and again."""
    selector = by_history([0] * 30, places=8)
    last_step = dict.fromkeys(range(30), 0)
    for step in range(400):
        rows = [row.index for row in selector.choose(step)]
        selector.note(step, [row < 2 for row in rows])
        last_step |= dict.fromkeys(rows, step)
    assert min(last_step.values()) > 350


def test_steps_ahead_are_chosen_by_what_is_known_when_they_are_asked_for():
    """With a staleness of 1 step 1 is chosen before step 0 has taught nothing."""
    selector, waiting = by_history([0] * 30, places=8), by_history([0] * 30, places=8)
    ahead = [selector.choose(step) for step in (0, 1)]
    selector.note(0, [False] * 8)
    assert selector.choose(1) == ahead[1]
    waiting.choose(0)
    waiting.note(0, [False] * 8)
    assert waiting.choose(1) != ahead[1]


def test_from_a_checkpoint_without_a_history_it_begins_anew(tmp_path: Path):
    fresh, resumed = (Sizes(20, 4, 1, 3).selector() for _ in range(2))
    resumed.load(tmp_path)
    assert resumed.choose(9) == fresh.choose(9)


def test_in_turn_nothing_is_kept(tmp_path: Path):
    selector = Sizes(20, 4, 1, 3).selector("uniform")
    train(selector, range(3))
    selector.save(tmp_path)
    assert not list(tmp_path.iterdir())
