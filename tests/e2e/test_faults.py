"""Cancelling, resuming, and real kills in the middle of a job."""

import requests

from learner_service.job_folder.layout import JobFolder
from tests.waiting import wait_until

LONG = {
    "num_epochs": 200,
    "learning_rate": 1e-4,
    "batch_size": 6,
    "gradient_accumulation_steps": 1,
    "temperature": 1.0,
    "use_4bit": False,
    "save_steps": 5,
}


def last_checkpoint(stack, job_id: str) -> int:
    """The step of the last whole checkpoint."""
    folder = JobFolder.of_job(stack.data_dir / "learner", job_id)
    return folder.checkpoints.find_last().step


def cancel(stack, job_id: str) -> dict:
    return requests.delete(f"{stack.url}/jobs/{job_id}", timeout=120).json()


def test_cancel_answers_at_once_and_the_same_settings_go_on_from_there(stack, file_id: str):
    first = stack.train(file_id, **LONG)
    stack.wait(first, step=7)
    assert cancel(stack, first)["status"] == "cancelled"
    wait_until(lambda: not stack.pids("learner_service.worker.start"))
    stopped_at = last_checkpoint(stack, first)
    assert stopped_at >= stack.get(f"/jobs/{first}")["current_step"]
    assert cancel(stack, first)["status"] == "cancelled"

    second = stack.train(file_id, **LONG)
    job = stack.wait(second, step=stopped_at + 1)
    assert job["resumed_from_job_id"] == first
    steps = [s["step"] for s in stack.get(f"/jobs/{second}/metrics")["steps"]]
    assert steps[0] == stopped_at + 1
    cancel(stack, second)


def test_a_killed_worker_and_a_killed_learner_lose_at_most_a_checkpoint_interval(
    stack, file_id: str
):
    job_id = stack.train(file_id, **LONG | {"num_epochs": 10, "seed": 44, "staleness": 1})
    stack.wait(job_id, step=8)
    stack.kill("learner_service.worker.start")
    stack.wait(job_id, step=14)
    stack.kill("learner_service")
    job = stack.wait(job_id)
    assert job["status"] == "completed", job
    steps = [s["step"] for s in stack.get(f"/jobs/{job_id}/metrics")["steps"]]
    assert steps == list(range(1, 31))


def test_a_killed_replica_is_waited_for(stack, file_id: str):
    job_id = stack.train(file_id, **LONG | {"num_epochs": 6, "seed": 45})
    stack.wait(job_id, step=3)
    stack.kill("rollout_service")
    job = stack.wait(job_id)
    assert (job["status"], job["current_step"]) == ("completed", 18), job


def test_a_bad_request_leaves_nothing_behind(stack, file_id: str):
    before = len(stack.get("/jobs"))
    for body in (
        {"job_name": "x", "data_file_id": "00000000-0000-0000-0000-000000000000"},
        {"job_name": "x", "data_file_id": file_id, "training_config": {"num_epochs": "many"}},
        {"job_name": "x", "data_file_id": file_id, "model": "somebody/else"},
    ):
        response = requests.post(f"{stack.url}/train", json=body, timeout=30)
        assert 400 <= response.status_code < 500, response.text
        assert response.json()["detail"]
    assert len(stack.get("/jobs")) == before
