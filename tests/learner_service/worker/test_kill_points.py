"""A worker that is killed at a chosen point of a step: no step is lost, and none is done twice."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tally.learner.v1 import learner_pb2 as pb
from tests.fakes.counting_rollouts import ServedCounting
from tests.fakes.worker_services import WorkerServices
from tests.learner_service.learner_process import ROOT, Learner, learner, put_dataset

KILLS = ROOT / "tests" / "fakes" / "kill_points"
POINTS = ("publish", "rollout wait", "backward", "optimizer", "checkpoint")
STEPS = {"max_steps": 4, "save_steps": 2, "gradient_accumulation_steps": 1}


@pytest.fixture(scope="module")
def point_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("point") / "point"


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, random_policy_path: Path, point_file: Path
) -> Iterator[tuple[Learner, str]]:
    """A learner whose workers look at the file for where they are to be killed; and its data."""
    data_dir = tmp_path_factory.mktemp("kills") / "learner"
    digest = put_dataset(data_dir)
    services = WorkerServices(ServedCounting(random_policy_path))
    path = os.pathsep.join([str(KILLS), str(ROOT)])
    through = ["env", f"PYTHONPATH={path}", f"KILL_POINT_FILE={point_file}"]
    options = services.learner_options(random_policy_path)
    with learner(data_dir, *options, through=through) as running:
        yield running, digest
    services.close()


@pytest.fixture(scope="module")
def undisturbed(running: tuple[Learner, str]) -> str:
    """A job that nobody kills."""
    learner, digest = running
    job_id = learner.start_job(digest, **STEPS)
    assert learner.wait(job_id).status == pb.JOB_STATUS_COMPLETED, learner.log(job_id)
    return job_id


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_is_killed_anywhere_in_a_step_costs_no_step(
    running: tuple[Learner, str], undisturbed: str, point_file: Path, point: str
):
    learner, digest = running
    point_file.write_text(point)
    job_id = learner.start_job(digest, **STEPS)
    assert learner.wait(job_id).status == pb.JOB_STATUS_COMPLETED, learner.log(job_id)
    assert not point_file.exists()
    assert learner.steps(job_id) == [1, 2, 3, 4]
    (notice,) = learner.notices(job_id)
    assert (
        notice == "the worker was killed from outside (signal 9); going on from the last checkpoint"
    )
    starts = [e.worker_started for e in learner.events(job_id) if e.HasField("worker_started")]
    assert [start.resumed_from_step for start in starts] == [0, 2]
    undisturbed_weights = learner.adapter(undisturbed)
    for name, weights in learner.adapter(job_id).items():
        assert torch.equal(weights, undisturbed_weights[name]), name
