"""A job that ends before its last step, and one that says that it learns nothing."""

from pathlib import Path

import pytest

from learner_service.events import EndReason, Notice
from learner_service.grpo.untaught_steps import SAID_AFTER
from learner_service.job_folder.layout import JobFolder
from tests.learner_service.grpo.test_held_out_evaluation import most_common_count, say_in_turn
from tests.learner_service.training import Training, training


def codes(running: Training) -> list[str]:
    return [event.code for event in running.events if isinstance(event, Notice)]


def reason(running: Training) -> EndReason:
    return running.parts["run_end"].reason(running.trainer.state)


def test_patience_ends_a_job_whose_curve_has_its_best_behind_it(
    random_policy_path: Path, tmp_path: Path
):
    changes = {"max_steps": 40, "evaluation_steps": 2, "evaluation_patience": 3}
    with training(random_policy_path, tmp_path, num_held_out=6, **changes) as running:
        right = most_common_count(running)
        running.rollouts._greedy_count = say_in_turn(99, right, right, 99, 99)
        running.trainer.train()
    # The best is that of step 4; 6, 8 and 10 are no better.
    assert [e.step for e in running.evaluations] == [2, 4, 6, 8, 10]
    assert running.steps[-1].step == 10
    assert reason(running) is EndReason.NO_IMPROVEMENT


@pytest.mark.parametrize("patience", [0, 3])
def test_a_curve_that_goes_on_rising_is_not_cut(
    random_policy_path: Path, tmp_path: Path, patience: int
):
    changes = {"max_steps": 4, "evaluation_steps": 1, "evaluation_patience": patience}
    with training(random_policy_path, tmp_path, num_held_out=6, **changes) as running:
        right = most_common_count(running)
        running.rollouts._greedy_count = say_in_turn(99, 99, 99, right)
        running.trainer.train()
    assert running.steps[-1].step == 4
    assert reason(running) is EndReason.NONE


def test_who_goes_on_where_patience_was_at_its_end_takes_no_step_more(
    random_policy_path: Path, tmp_path: Path
):
    changes = {
        "max_steps": 40, "evaluation_steps": 2, "evaluation_patience": 1, "save_steps": 2,
        "num_held_out": 6,
    }  # fmt: skip
    for going_on in (False, True):
        with training(random_policy_path, tmp_path, **changes) as running:
            running.rollouts._greedy_count = lambda digest: 99
            found = JobFolder(tmp_path).checkpoints.find_last().path
            running.trainer.train(resume_from_checkpoint=found and str(found))
            assert running.trainer.state.global_step == 4
            assert reason(running) is EndReason.NO_IMPROVEMENT
            assert len(running.steps) == (0 if going_on else 4)


@pytest.mark.parametrize(
    "changes",
    [{}, {"zero_variance_groups": "learn"}, {"zero_variance_groups": "refill", "refill_rounds": 1}],
    ids=["skip", "learn", "refill"],
)
def test_a_job_that_learns_nothing_says_so_and_goes_on(
    random_policy_path: Path, tmp_path: Path, changes: dict
):
    steps = SAID_AFTER + 2
    with training(
        random_policy_path, tmp_path, same_answers=lambda seed: True, max_steps=steps, **changes
    ) as running:
        running.trainer.train()
    assert codes(running) == ["no_variety"]
    [said] = [event for event in running.events if isinstance(event, Notice)]
    assert f"{SAID_AFTER} steps in a row taught nothing" in said.message
    assert "raise temperature (now 1)" in said.message
    assert running.steps[-1].step == steps
    assert reason(running) is EndReason.NONE
    assert running.parts["run_end"].untaught.said.code == "untaught"


def test_a_step_that_teaches_takes_it_back(random_policy_path: Path, tmp_path: Path):
    silent = 4 * SAID_AFTER  # four groups a step, the third of an epoch two: more than so many
    asked: set[int] = set()

    def same_answers(seed: int) -> bool:
        asked.add(seed)
        return len(asked) <= silent

    with training(
        random_policy_path, tmp_path, same_answers=same_answers, max_steps=2 * SAID_AFTER
    ) as running:
        running.trainer.train()
    assert codes(running) == ["no_variety", "teaches_again"]
    assert running.parts["run_end"].untaught.said is None


def test_it_ends_where_it_is_asked_to_and_counts_on_after_a_stop(
    random_policy_path: Path, tmp_path: Path
):
    changes = {"max_steps": 40, "zero_variance_patience": 5, "save_steps": 3}
    silent = {"same_answers": lambda seed: True}
    with training(random_policy_path, tmp_path, **silent, **changes) as whole:
        whole.trainer.train()
    assert [step.step for step in whole.steps] == [1, 2, 3, 4, 5]
    assert reason(whole) is EndReason.NOTHING_TAUGHT
    assert codes(whole) == ["no_variety"]
    checkpoint = tmp_path / "checkpoints" / "checkpoint-3"
    with training(random_policy_path, tmp_path, **silent, **changes) as resumed:
        resumed.trainer.train(resume_from_checkpoint=str(checkpoint))
    assert [step.step for step in resumed.steps] == [4, 5]
    assert reason(resumed) is EndReason.NOTHING_TAUGHT


def test_of_a_few_steps_that_teach_nothing_nothing_is_said(
    random_policy_path: Path, tmp_path: Path
):
    steps = {"max_steps": SAID_AFTER - 1}
    with training(random_policy_path, tmp_path, same_answers=lambda seed: True, **steps) as running:
        running.trainer.train()
    assert codes(running) == []
