"""The priority of a job, and its place among those that wait."""

import asyncio
import time

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tally.learner.v1 import learner_pb2 as pb
from tally.rpc.errors import Unavailable
from tests.gateway.packing import good_zip
from tests.waiting import eventually

OTHERS = "6ffae09f-3c1d-4c44-8d62-1a0b2c3d4e5f"


@pytest.fixture
async def waiting(gateway, learner) -> str:
    """A job behind one of somebody else."""
    learner.turn.clear()
    job_id = await gateway.start_job(priority=-3)
    start = Timestamp(seconds=1_737_369_000)
    learner.queue = [
        pb.WaitingJob(job_id=OTHERS),
        pb.WaitingJob(job_id=job_id, estimated_start=start),
    ]
    return job_id


async def test_a_job_that_waits_has_a_place_and_perhaps_an_estimate(gateway, learner, waiting):
    await gateway.until(waiting, "training", queue_position=2)
    (job,) = (await gateway.client.get("/jobs")).json()
    assert job["priority"] == learner.jobs[waiting].spec.priority == -3
    assert (job["queue_position"], job["estimated_start"]) == (2, "2025-01-20T10:30:00")
    learner.queue = learner.queue[1:]
    learner.queue[0].ClearField("estimated_start")
    job = await gateway.until(waiting, "training", queue_position=1)
    assert job["estimated_start"] is None


async def test_the_learner_is_asked_once_for_all_who_look_at_once(gateway, learner, waiting):
    await gateway.until(waiting, "training", queue_position=2)
    asked, began = learner.calls["GetQueue"], time.monotonic()
    await asyncio.gather(*(gateway.client.get("/jobs") for _ in range(20)))
    seconds = time.monotonic() - began
    assert learner.calls["GetQueue"] <= asked + 1 + seconds


async def test_without_the_learner_a_job_has_no_place_and_is_answered(gateway, learner, waiting):
    learner.faults["GetQueue"] = [Unavailable("away")] * 1000
    job = await gateway.until(waiting, "training", queue_position=None)
    assert job["phase"] == "queued"


async def test_a_job_that_runs_has_no_place_and_nobody_is_asked(gateway, learner, waiting):
    learner.hold.clear()
    learner.turn.set()
    await eventually(lambda: learner.jobs[waiting].last_seq >= 2)
    job = await gateway.until(waiting, "training", phase="learning")
    asked = learner.calls["GetQueue"]
    assert job["queue_position"] is None
    await gateway.job(waiting)
    assert learner.calls["GetQueue"] == asked
    learner.hold.set()


@pytest.mark.parametrize("priority", [11, -11, 1.5, "1", True, None])
async def test_a_priority_out_of_range_is_refused(gateway, priority):
    answer = await gateway.train("6ffae09f-3c1d-4c44-8d62-1a0b2c3d4e5f", priority=priority)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "priority"


async def test_only_an_operator_puts_a_job_before_those_of_others(gateway, learner):
    learner.hold.clear()
    file_id = None
    for name, role, priority, status in (
        ("alice", "writer", 1, 403),
        ("alice", "writer", 0, 200),
        ("ops", "operator", 10, 200),
    ):
        headers = await gateway.new_token(f"{name}-{priority}", role, name)
        if file_id is None or name == "ops":
            gateway.client.headers.update(headers)
            file_id = (await gateway.upload(good_zip())).json()["file_id"]
        answer = await gateway.train(file_id, priority=priority, headers=headers)
        assert answer.status_code == status, answer.text
        if status == 403:
            assert answer.json()["errors"][0]["where"] == "priority"
            assert answer.json()["code"] == "priority_above_role"
    assert sorted(job.spec.priority for job in learner.jobs.values()) == [0, 10]
    learner.hold.set()


async def test_a_comparison_waits_as_any_other_does(gateway, learner):
    job_id = await gateway.start_job(priority=5)
    job = await gateway.until(job_id, "completed")
    body = {"file_id": job["data_file_id"]}
    comparison = await gateway.client.post(f"/jobs/{job_id}/evaluate", json=body)
    assert comparison.status_code == 200, comparison.text
    assert learner.jobs[comparison.json()["evaluation_id"]].spec.priority == 0
