"""Steps on their way: what overlaps changes nothing, what is stale says so, nothing is lost."""

import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from learner_service.errors import StopRequested
from tests.learner_service.training import AllAtOnce, Training, training
from tests.waiting import wait_until


def asked_digests(running: Training) -> list[str]:
    """The adapters that groups were asked for with, in order, each once."""
    return list(dict.fromkeys(r.adapter_digest for r in running.rollouts.requests))


def asked_images(running: Training) -> list[str]:
    """In the order of the data, which is that of the seeds."""
    requests = sorted(running.rollouts.requests, key=lambda request: request.sampling.seed)
    return [request.image_digest for request in requests]


@pytest.mark.parametrize("changes", [{}, {"advantage_scale": "batch", "loss_type": "bnpo"}])
def test_what_overlaps_leaves_the_adapter_bit_for_bit_as_it_is(
    random_policy_path: Path, tmp_path: Path, changes: dict
):
    digests = []
    for kind in (AllAtOnce, None):
        kinds = {"kind": kind} if kind else {}
        folder = tmp_path / str(kind)
        with training(random_policy_path, folder, **kinds, **changes) as running:
            before = running.adapter_digest
            running.trainer.train()
            digests.append(running.adapter_digest)
    assert digests[0] == digests[1] != before


def test_at_staleness_0_every_group_is_from_the_adapter_of_its_step(
    random_policy_path: Path, tmp_path: Path
):
    with training(random_policy_path, tmp_path, num_rows=8) as running:
        running.trainer.train()
        digests = [request.adapter_digest for request in running.rollouts.requests]
    assert digests == [d for d in asked_digests(running) for _ in range(4)]
    assert len(set(digests)) == 4
    assert [step.metrics.staleness_mean for step in running.steps] == [0.0] * 4


def test_a_stale_step_is_asked_for_with_the_adapter_before_and_says_so(
    random_policy_path: Path, tmp_path: Path
):
    with training(random_policy_path, tmp_path, num_rows=8, staleness=1) as running:
        running.trainer.train()
        digests = [request.adapter_digest for request in running.rollouts.requests]
    first, second, third = asked_digests(running)
    assert digests == [first] * 8 + [second] * 4 + [third] * 4
    assert [step.metrics.staleness_mean for step in running.steps] == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("staleness", [0, 2])
def test_a_resumed_job_goes_on_with_the_data_that_comes_next(
    random_policy_path: Path, tmp_path: Path, staleness: int
):
    changes = {"num_rows": 10, "max_steps": 7, "staleness": staleness}
    with training(random_policy_path, tmp_path / "whole", **changes) as whole:
        whole.trainer.train()
    with training(random_policy_path, tmp_path / "cut", save_steps=4, **changes) as cut:
        cut.trainer.train()
    checkpoint = tmp_path / "cut" / "checkpoints" / "checkpoint-4"
    with training(random_policy_path, tmp_path / "cut", **changes) as resumed:
        resumed.trainer.train(resume_from_checkpoint=str(checkpoint))
        history = resumed.trainer.state_with_history().log_history
    assert [step.step for step in resumed.steps] == [5, 6, 7]
    # Steps of 4, 4 and 2 of ten rows: four steps are an epoch and one step.
    assert asked_images(resumed) == asked_images(whole)[14:]
    assert [entry["step"] for entry in history if "loss" in entry] == list(range(1, 8))


def test_a_stop_ends_the_rollouts_that_are_on_their_way(random_policy_path: Path, tmp_path: Path):
    with training(random_policy_path, tmp_path, staleness=1) as running:
        running.rollouts.hangs_after = 6
        stop_once_it_hangs = threading.Thread(
            target=lambda: running.rollouts.hanging.wait() and running.stop.set()
        )
        stop_once_it_hangs.start()
        with pytest.raises(StopRequested):
            running.trainer.train()
        stop_once_it_hangs.join()
        running.ahead.cancel()
        # Those before the first that hangs may be on their way, too.
        wait_until(lambda: running.rollouts.cancelled >= len(running.rollouts.requests) - 6 > 0)


def test_refilling_tries_other_prompts_up_to_the_bound(random_policy_path: Path, tmp_path: Path):
    changes = {"zero_variance_groups": "refill", "refill_rounds": 2, "max_steps": 1}
    with training(
        random_policy_path, tmp_path, same_answers=lambda seed: True, **changes
    ) as running:
        running.trainer.train()
        images = asked_images(running)
    assert len(images) == 4 * 3
    assert not set(images[:4]) & set(images[4:])
    [step] = running.steps
    assert step.metrics.refilled_group_rate == 1.0
    assert step.metrics.skipped_group_rate == 1.0
    assert step.metrics.zero_variance_group_rate == 1.0


def test_refilling_stops_at_the_first_group_with_variance(random_policy_path: Path, tmp_path: Path):
    changes = {"zero_variance_groups": "refill", "max_steps": 1}
    with training(
        random_policy_path, tmp_path, same_answers=lambda seed: seed < 2**48, **changes
    ) as running:
        running.trainer.train()
    assert len(running.rollouts.requests) == 4 * 2
    metrics = running.steps[0].metrics
    assert (metrics.refilled_group_rate, metrics.skipped_group_rate) == (1.0, 0.0)
    assert metrics.gradient_norm > 0


def test_a_step_without_any_variance_is_counted_and_learns_nothing(
    random_policy_path: Path, tmp_path: Path
):
    with training(random_policy_path, tmp_path, same_answers=lambda seed: True) as running:
        before = running.adapter_digest
        running.trainer.train()
        after = running.adapter_digest
    assert before == after  # no step before it left momentum behind
    assert [step.step for step in running.steps] == [1, 2, 3, 4]
    assert {step.metrics.loss for step in running.steps} == {0.0}
    assert {step.metrics.entropy for step in running.steps} == {None}


def test_metrics_are_whole(random_policy_path: Path, tmp_path: Path):
    with training(random_policy_path, tmp_path, corrected=True, beta=0.1) as running:
        running.trainer.train()
    for step in running.steps:
        unmeasured = {name for name, figure in asdict(step.metrics).items() if figure is None}
        assert unmeasured == {"outside_mass_mean", "expected_reward_mean"}, "of exact_counts alone"
        shares = step.metrics.reward_share_by_component
        assert shares.keys() == {"progressive_count"}
        assert sum(shares.values()) == pytest.approx(step.metrics.reward_mean)
        assert step.metrics.waiting_seconds < step.metrics.step_seconds
        assert step.metrics.importance_truncated_rate > 0
