"""A whole stack on the data folder of an earlier one that was killed: its jobs go on."""

from pathlib import Path

import pytest
import requests

from tests.old_data.archives import JOBS, unpack
from tests.stack import Stack, running_stack


def steps(stack: Stack, job_id: str) -> list[int]:
    return [step["step"] for step in stack.get(f"/jobs/{job_id}/metrics")["steps"]]


@pytest.mark.parametrize("commit", JOBS)
def test_the_jobs_of_an_earlier_stack_go_on(commit: str, tmp_path: Path):
    jobs = unpack(commit, tmp_path)
    with running_stack(tmp_path, "--no-use-4bit") as stack:
        interrupted = stack.wait(jobs.interrupted)
        assert interrupted["status"] == "completed", interrupted
        assert steps(stack, jobs.interrupted) == list(range(1, 9))
        settings = stack.get(f"/jobs/{jobs.cancelled}/settings")
        answer = requests.post(f"{stack.url}/train", json=settings, timeout=120)
        answer.raise_for_status()
        resumed = stack.wait(answer.json()["job_id"])
        assert resumed["status"] == "completed", resumed
        assert resumed["resumed_from_job_id"] == jobs.cancelled
        assert steps(stack, resumed["job_id"]) == list(range(4, 13))
