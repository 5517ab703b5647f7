"""Jobs in several processes through a real learner: ranks that die, and other numbers of them."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tally.learner.v1 import learner_pb2 as pb
from tests.fakes.counting_rollouts import ServedCounting
from tests.fakes.worker_services import WorkerServices
from tests.learner_service.learner_process import Learner, learner, put_dataset
from tests.waiting import PATIENCE_SECONDS, wait_until

STEPS = 14


@pytest.fixture(scope="module")
def options(random_policy_path: Path) -> Iterator[list[str]]:
    """Those of every learner here: the services that it asks, and the model."""
    services = WorkerServices(ServedCounting(random_policy_path))
    yield services.learner_options(random_policy_path)
    services.close()


@pytest.fixture(scope="module")
def reference(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """What a job of one process learns."""
    data_dir = tmp_path_factory.mktemp("alone") / "learner"
    digest = put_dataset(data_dir)
    with learner(data_dir, *options) as alone:
        job_id = alone.start_job(digest)
        assert alone.wait(job_id).status == pb.JOB_STATUS_COMPLETED, alone.log(job_id)
        return alone.adapter(job_id)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "learner"


def rank(running: Learner, job_id: str, number: int) -> int:
    """The rank's process, once there is one."""
    return wait_until(lambda: running.ranks(job_id).get(number), lambda: running.log(job_id))


@pytest.mark.parametrize("shard_base", ["never", "always"])
def test_a_job_of_two_processes_goes_on_with_three_and_with_one(
    data_dir: Path, options: list[str], reference: dict[str, Tensor], shard_base: str
):
    options = [*options, "--shard-base", shard_base]
    digest = put_dataset(data_dir)
    with learner(data_dir, *options, "--gpus-per-job", "2") as two:
        resumed = two.start_job(digest)
        two.wait(resumed, step=3)
        os.kill(rank(two, resumed, 1), signal.SIGKILL)
        two.wait(resumed, step=10)
        two.kill()
    copy = data_dir.with_name("copy")
    shutil.copytree(data_dir, copy)
    for folder, processes in ((data_dir, "3"), (copy, "1")):
        with learner(folder, *options, "--gpus-per-job", processes) as running:
            job = running.wait(resumed)
            assert job.status == pb.JOB_STATUS_COMPLETED, running.log(resumed)
            assert running.steps(resumed) == list(range(1, STEPS + 1))
            said = running.notices(resumed)
            in_parts = [notice for notice in said if "holds a part" in notice]
            assert bool(in_parts) == (shard_base == "always")
            (lost,) = set(said) - set(in_parts)
            assert lost.startswith("rank 1 of 2 on ")
            assert lost.endswith("; going on from the last checkpoint")
            learnt = running.adapter(resumed)
            for name, weights in reference.items():
                torch.testing.assert_close(learnt[name], weights, atol=1e-4, rtol=0)


def test_a_learner_that_is_asked_to_end_saves_the_step_that_both_have_done(
    data_dir: Path, options: list[str]
):
    digest = put_dataset(data_dir)
    with learner(data_dir, *options, "--gpus-per-job", "2") as two:
        job_id = two.start_job(digest, save_steps=1000, max_steps=10_000)
        reached = two.wait(job_id, step=3).current_step
        two.process.terminate()
        assert two.process.wait(PATIENCE_SECONDS) == 0
        assert not two.ranks(job_id)
        assert two.folder(job_id).checkpoints.find_last().step >= reached, two.log(job_id)
