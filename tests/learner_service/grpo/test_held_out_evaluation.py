"""What is held out is answered while a job trains, and the job learns as if it were not."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from learner_service.errors import StopRequested
from learner_service.events import HeldOutScored, Notice
from learner_service.job_folder.layout import JobFolder
from tests.learner_service.training import Training, training

_STEPS, _HELD_OUT = 7, 6


def most_common_count(running: Training) -> int:
    """Of what is held out."""
    counts = [row.true_count for row in running.parts["run_end"].evaluation._rows]
    return max(set(counts), key=counts.count)


def say_in_turn(*counts: int) -> Callable[[str], int]:
    """What each adapter says greedily, in the order in which they are first asked."""
    said: dict[str, int] = {}

    def count_of(digest: str) -> int:
        if digest not in said:
            said[digest] = counts[len(said)]
        return said[digest]

    return count_of


@pytest.mark.parametrize(
    "changes",
    [{}, {"lora_dropout": 0.2}, {"staleness": 1, "corrected": True}],
    ids=["plain", "dropout", "staleness"],
)
def test_a_job_learns_bit_for_bit_the_same_with_and_without(
    random_policy_path: Path, tmp_path: Path, changes: dict
):
    changes = {"max_steps": _STEPS, "num_held_out": _HELD_OUT} | changes
    digests, losses = [], []
    for every in (0, 2):
        folder = tmp_path / str(every)
        with training(random_policy_path, folder, evaluation_steps=every, **changes) as running:
            running.trainer.train()
        digests.append(running.adapter_digest)
        losses.append([step.metrics.loss for step in running.steps])
        # Every second step, and the last.
        assert [e.step for e in running.evaluations] == ([2, 4, 6, 7] if every else [])
    assert digests[0] == digests[1]
    assert losses[0] == losses[1]


def test_what_an_evaluation_asks_and_tells(random_policy_path: Path, tmp_path: Path):
    changes = {"max_steps": 2, "evaluation_steps": 1, "num_held_out": _HELD_OUT}
    with training(random_policy_path, tmp_path, **changes) as running:
        rows = running.parts["run_end"].evaluation._rows
        seen = {row.image_digest for row in running.parts["rows"]}
        common = most_common_count(running)
        running.rollouts._greedy_count = say_in_turn(common, common)
        running.trainer.train()
    greedy = [r for r in running.rollouts.requests if r.sampling.temperature == 0]
    assert {r.image_digest for r in greedy}.isdisjoint(seen)
    assert len(greedy) == 2 * _HELD_OUT
    [first, last] = running.evaluations
    right = sum(row.true_count == common for row in rows)
    assert first.num_samples == _HELD_OUT
    assert first.scores.exact_rate == pytest.approx(right / _HELD_OUT)
    low, high = first.scores.intervals["exact_rate"]
    assert 0 <= low < right / _HELD_OUT < high <= 1
    assert first.scores.intervals["reward_mean"] is None
    assert (first.is_best, last.is_best) == (True, False)  # not above the first
    entries = JobFolder(tmp_path).history.entries()
    [logged, _] = [entry for entry in entries if "eval_exact_rate" in entry]
    assert logged["step"] == 1
    assert logged["eval_exact_rate_low"] == low


def test_a_job_that_goes_on_scores_the_steps_after_its_checkpoint_again(
    random_policy_path: Path, tmp_path: Path
):
    changes = {
        "max_steps": _STEPS, "save_steps": 5, "evaluation_steps": 3, "num_held_out": _HELD_OUT,
    }  # fmt: skip
    with training(random_policy_path, tmp_path, **changes) as whole:
        whole.trainer.train()
    checkpoint = tmp_path / "checkpoints" / "checkpoint-5"
    with training(random_policy_path, tmp_path, **changes) as resumed:
        resumed.trainer.train(resume_from_checkpoint=str(checkpoint))
    assert [e.step for e in whole.evaluations] == [3, 6, 7]
    assert resumed.evaluations == whole.evaluations[1:]
    entries = JobFolder(tmp_path).history.entries(having="eval_exact_rate")
    assert [entry["step"] for entry in entries] == [3, 6, 7]


def test_what_a_stop_cut_short_is_scored_before_the_next_step(
    random_policy_path: Path, tmp_path: Path
):
    changes = {"max_steps": 4, "evaluation_steps": 2, "num_held_out": _HELD_OUT}
    with training(random_policy_path, tmp_path, **changes) as stopped:
        # Two steps of four groups, and half of the evaluation after them.
        stopped.rollouts.hangs_after = 2 * 4 + _HELD_OUT // 2
        stopper = threading.Thread(
            target=lambda: stopped.rollouts.hanging.wait() and stopped.stop.set()
        )
        stopper.start()
        with pytest.raises(StopRequested):
            stopped.trainer.train()
        stopper.join()
        stopped.trainer.save_where_it_stands()
    assert stopped.evaluations == []
    checkpoint = tmp_path / "checkpoints" / "checkpoint-2"
    with training(random_policy_path, tmp_path, **changes) as resumed:
        resumed.trainer.train(resume_from_checkpoint=str(checkpoint))
    kinds = [(type(e), e.step) for e in resumed.events if hasattr(e, "step")]
    assert kinds[0] == (HeldOutScored, 2)
    assert [e.step for e in resumed.evaluations] == [2, 4]
    assert not [e for e in resumed.events if isinstance(e, Notice)]


def test_a_better_adapter_is_saved_at_once(random_policy_path: Path, tmp_path: Path):
    changes = {"max_steps": 6, "evaluation_steps": 1, "num_held_out": _HELD_OUT}
    with training(random_policy_path, tmp_path, **changes) as running:
        right = most_common_count(running)
        running.rollouts._greedy_count = say_in_turn(99, right, 99, right, 99, 99)
        running.trainer.train()
        running.trainer.save_where_it_stands()
    assert [e.is_best for e in running.evaluations] == [True, True, False, False, False, False]
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {
        "checkpoint-2",
        "checkpoint-6",
    }
