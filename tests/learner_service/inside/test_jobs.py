"""Jobs that sample by themselves: what they learn, and that nothing of it is lost or doubled."""

import pytest
import torch

from bench.imported_memory import imported_bytes
from bench.one_card import HOLDERS, StackMemory
from bench.process_memory import ProcessMemory
from learner_service.blobs.blob_store import BlobStore
from learner_service.job_folder.keeper import Keeper
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.policy import Policy
from tally.samples.small_policy import POLICY_PATH
from tests.learner_service.inside.conftest import HELD_OUT, STEPS, Asked, Ended
from tests.waiting import wait_until

WORKER = "learner_service.worker.start"


@pytest.fixture(scope="module")
def learnt(inside: Asked) -> Ended:
    """A job that nobody disturbs, but to ask what it holds out."""
    return inside.train(evaluation_steps=2)


def test_a_job_learns_the_same_inside_as_with_a_service(learnt: Ended, service: Asked):
    asked = service.train(evaluation_steps=2)
    assert len(learnt.steps) == STEPS
    assert any(step.metrics.skipped_group_rate < 1 for step in learnt.steps)
    for ours, theirs in zip(learnt.steps, asked.steps, strict=True):
        assert ours.metrics.reward_mean == theirs.metrics.reward_mean
        assert ours.metrics.loss == pytest.approx(theirs.metrics.loss, abs=1e-4)
    assert [scored.step for scored in learnt.curve] == [2, 4, STEPS]
    assert learnt.curve == asked.curve
    for name, weight in asked.adapter.items():
        torch.testing.assert_close(learnt.adapter[name], weight, rtol=1e-4, atol=1e-5)


def test_groups_go_on_where_they_differ_inside_as_with_a_service(inside: Asked, service: Asked):
    first = {"first_completions": 2, "num_generations": 6, "max_steps": 3}
    ours, theirs = inside.train(**first, kill_after=2), service.train(**first)
    numbers = [step.metrics.sampled_completions for step in theirs.steps]
    # Four prompts a step: two completions of each, and four more of those that go on.
    rates = [step.metrics.zero_variance_group_rate for step in theirs.steps]
    assert numbers == [8 + 16 * (1 - rate) for rate in rates]
    assert 8 * 3 < sum(numbers) < 24 * 3
    for own, other in zip(ours.steps, theirs.steps, strict=True):
        assert own.metrics.sampled_completions == other.metrics.sampled_completions
        assert own.metrics.reward_mean == other.metrics.reward_mean
        assert own.metrics.loss == pytest.approx(other.metrics.loss, abs=1e-4)
    for name, weight in theirs.adapter.items():
        # A tenth of what Adam moves a weight by in a step.
        torch.testing.assert_close(ours.adapter[name], weight, rtol=0, atol=1e-4)


def test_a_job_repeats_bit_for_bit_over_a_kill_and_without_a_curve(learnt: Ended, inside: Asked):
    killed = inside.train(kill_after=3)
    assert [step.step for step in killed.steps] == list(range(1, STEPS + 1))
    for name, weight in learnt.adapter.items():
        assert torch.equal(killed.adapter[name], weight)


def test_with_staleness_the_adapters_of_then_outlive_a_kill(inside: Asked):
    killed = inside.train(staleness=1, kill_after=3, evaluation_steps=2)
    assert {scored.step for scored in killed.curve} == {2, 4, STEPS}
    assert [step.metrics.staleness_mean for step in killed.steps] == [0, *[1] * (STEPS - 1)]


def test_base_and_adapter_are_compared_on_the_jobs_own_weights(learnt: Ended):
    [compared] = [e.evaluation_done for e in learnt.events if e.HasField("evaluation_done")]
    assert compared.num_samples == HELD_OUT


def test_of_a_small_model_a_worker_holds_little_but_libraries(inside: Asked):
    imports = {WORKER: imported_bytes(*HOLDERS[WORKER])}
    job_id = inside.start(inside.training(max_steps=1000))
    wait_until(lambda: inside.job(job_id).current_step >= 1)
    parts = ProcessMemory(inside.stack.pids["learner"]).parts_now()
    inside.cancel(job_id)
    held = StackMemory.of(parts, {}, imports)
    assert list(held.work) == [WORKER]
    assert held.whole == sum(size for _, size in held.rows())
    weights = sum(file.stat().st_size for file in POLICY_PATH.glob("*.safetensors"))
    assert weights < held.tensors < held.libraries / 2


class _Noting(Keeper):
    def __init__(self) -> None:
        self.published: list[str] = []

    def publish(self, path, digest, kept):
        self.published.append(digest)


def test_others_hear_of_the_adapter_of_a_checkpoint_alone(policy: Policy, store: BlobStore):
    keeper = _Noting()
    publisher = AdapterPublisher(store, keeper=keeper, inside=True)
    digest = publisher.publish_for_step(policy.model)
    assert store.path(digest).exists()
    assert keeper.published == []
    publisher.publish_for_checkpoint(policy.model)
    assert keeper.published == [digest]


def test_with_replicas_they_hear_of_every_step(policy: Policy, store: BlobStore):
    keeper = _Noting()
    publisher = AdapterPublisher(store, keeper=keeper)
    digest = publisher.publish_for_step(policy.model)
    publisher.publish_for_checkpoint(policy.model)
    assert keeper.published == [digest]
