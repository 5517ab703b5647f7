"""Several jobs at once in a real learner: what is learnt is what a job learns that runs alone."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from torch import Tensor

from tally.learner.v1 import learner_pb2 as pb
from tests.fakes.counting_rollouts import ServedCounting
from tests.fakes.worker_services import WorkerServices
from tests.learner_service.learner_process import Learner, learner, put_dataset
from tests.waiting import PATIENCE_SECONDS

SEEDS = (1, 2)
STEPS = list(range(1, 15))
CALLS_OF_A_STEP = 3
ENDLESS = {"max_steps": 10_000, "save_steps": 10_000, "num_epochs": 10_000}
Adapter = dict[str, Tensor]


class TwoAskers(ServedCounting):
    """Answers nobody until two jobs ask, or until it is `opened`."""

    def __init__(self, policy_path: Path) -> None:
        super().__init__(policy_path)
        self.asked = 0
        self.opened = asyncio.Event()

    async def Generate(self, request, context):
        self.asked += 1
        if self.asked > CALLS_OF_A_STEP:  # more than one job asks for before it is answered
            self.opened.set()
        await self.opened.wait()
        return await super().Generate(request, context)


@contextmanager
def options_for(rollouts: ServedCounting, policy_path: Path) -> Iterator[list[str]]:
    """Those of a learner: the services that it asks, and the model."""
    services = WorkerServices(rollouts)
    yield services.learner_options(policy_path)
    services.close()


@pytest.fixture(scope="module")
def alone(random_policy_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Adapter]:
    """What each seed's job learns when one runs after the other."""
    data_dir = tmp_path_factory.mktemp("alone") / "learner"
    digest = put_dataset(data_dir)
    rollouts = ServedCounting(random_policy_path)
    with options_for(rollouts, random_policy_path) as options, learner(data_dir, *options) as one:
        jobs = [one.start_job(digest, seed=seed) for seed in SEEDS]
        check_completed(one, jobs)
        return [one.adapter(job_id) for job_id in jobs]


def check_completed(running: Learner, jobs: list[str]) -> None:
    for job_id in jobs:
        assert running.wait(job_id).status == pb.JOB_STATUS_COMPLETED, running.log(job_id)
        assert running.steps(job_id) == STEPS


def check_bit_for_bit(adapter: Adapter, expected: Adapter) -> None:
    assert adapter.keys() == expected.keys()
    for name, weights in expected.items():
        assert adapter[name].equal(weights), name


def test_two_at_once_learn_the_same_and_go_on_when_the_learner_was_killed(
    tmp_path: Path, random_policy_path: Path, alone: list[Adapter]
):
    data_dir, rollouts = tmp_path / "learner", TwoAskers(random_policy_path)
    rollouts.hangs_after = CALLS_OF_A_STEP * 10  # of both together: neither can end
    digest = put_dataset(data_dir)
    with options_for(rollouts, random_policy_path) as options:
        options += ["--jobs-at-once", "2"]
        with learner(data_dir, *options) as running:
            jobs = [running.start_job(digest, seed=seed, save_steps=2) for seed in SEEDS]
            reached = [running.wait(job_id, step=1) for job_id in jobs]
            assert {job.status for job in reached} == {pb.JOB_STATUS_TRAINING}
            running.kill()
        rollouts.hangs_after = 10**9
        with learner(data_dir, *options) as running:
            check_completed(running, jobs)
            for job_id, expected in zip(jobs, alone, strict=True):
                check_bit_for_bit(running.adapter(job_id), expected)


def test_all_save_when_the_learner_is_asked_to_end(tmp_path: Path, random_policy_path: Path):
    data_dir, rollouts = tmp_path / "learner", TwoAskers(random_policy_path)
    digest = put_dataset(data_dir)
    with options_for(rollouts, random_policy_path) as options:
        with learner(data_dir, *options, "--jobs-at-once", "2") as running:
            jobs = [running.start_job(digest, seed=seed, **ENDLESS) for seed in SEEDS]
            reached = [running.wait(job_id, step=2).current_step for job_id in jobs]
        for job_id, step in zip(jobs, reached, strict=True):
            last = running.folder(job_id).checkpoints.find_last()
            assert last.step >= step, running.log(job_id)


def test_a_job_that_made_room_learns_the_same(
    tmp_path: Path, random_policy_path: Path, alone: list[Adapter]
):
    data_dir, rollouts = tmp_path / "learner", ServedCounting(random_policy_path)
    rollouts.hangs_after = CALLS_OF_A_STEP * 2
    digest = put_dataset(data_dir)
    with options_for(rollouts, random_policy_path) as options, learner(data_dir, *options) as one:
        low = one.start_job(digest, seed=SEEDS[0])
        one.wait(low, step=2)
        assert rollouts.hanging.wait(PATIENCE_SECONDS)
        rollouts.hangs_after = 10**9  # for all who ask from now on
        high = one.start_job(digest, seed=SEEDS[1], priority=1)
        check_completed(one, [high, low])
        [made_room] = [notice for notice in one.notices(low) if "made room" in notice]
        assert "after step 2;" in made_room
        for job_id, expected in zip((low, high), alone, strict=True):
            check_bit_for_bit(one.adapter(job_id), expected)
