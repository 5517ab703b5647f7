"""A reward that pip installed trains a job through the real stack; one that fails ends its job."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.installing import BROKEN, EXAMPLE, install
from tests.stack import Stack, running_stack

SETTINGS = {
    "batch_size": 4,
    "gradient_accumulation_steps": 1,
    "num_generations": 4,
    "temperature": 1.0,
    "use_4bit": False,
    "max_steps": 2,
}


@pytest.fixture(scope="module")
def rewarding_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("rewarding")
    packages = install(folder / "installed", EXAMPLE, BROKEN)
    with running_stack(folder / "data", "--no-use-4bit", packages=[packages]) as stack:
        yield stack


@pytest.fixture(scope="module")
def own_file_id(rewarding_stack: Stack, training_zip: Path) -> str:
    return rewarding_stack.upload(training_zip)


def test_the_example_trains_a_job_beside_built_in_rewards(rewarding_stack: Stack, own_file_id: str):
    rewards = ["short_answer", "relative_count"]
    job_id = rewarding_stack.train(own_file_id, rewards=rewards, **SETTINGS)
    assert rewarding_stack.wait(job_id)["status"] == "completed"
    steps = rewarding_stack.get(f"/jobs/{job_id}/metrics")["steps"]
    assert len(steps) == SETTINGS["max_steps"]
    for step in steps:
        shares = step["reward_share_by_component"]
        assert shares.keys() == set(rewards)
        # "A photo of 3 apples" has five words.
        assert shares["short_answer"] > 0
        assert sum(shares.values()) == pytest.approx(step["reward_mean"])
        assert step["reward_mean_by_component"] == pytest.approx(shares), "each weighs 1"


def test_a_reward_that_fails_ends_its_job_with_its_name(rewarding_stack: Stack, own_file_id: str):
    job_id = rewarding_stack.train(own_file_id, rewards=["exact", "not_a_number"], **SETTINGS)
    job = rewarding_stack.wait(job_id)
    assert job["status"] == "failed"
    assert job["error_message"].startswith("the reward not_a_number of broken-rewards 0.1 gave nan")
    after = rewarding_stack.train(own_file_id, rewards=["exact"], **SETTINGS)
    assert rewarding_stack.wait(after)["status"] == "completed"


def test_one_that_cannot_be_loaded_is_refused_with_the_reason(
    rewarding_stack: Stack, own_file_id: str
):
    body = {"job_name": "none", "data_file_id": own_file_id, "rewards": [{"name": "not_there"}]}
    response = requests.post(f"{rewarding_stack.url}/train", json=body, timeout=60)
    assert response.status_code == 422
    assert "not_there can't be used: it cannot be loaded: AttributeError" in response.text


def test_the_command_line_explains_it(rewarding_stack: Stack):
    command = [sys.executable, "-m", "tally.cli", "--url", rewarding_stack.url, "rewards"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = {row[0]: row for row in (line.split("\t") for line in shown.splitlines())}
    assert rows["short_answer"][1:] == [
        "tally-short-answers 1.0",
        "1 for an answer of at most 5 words, 0.1 less for each further one; at least 0.",
    ]
    assert rows["relative_count"][1] == "built in"
    assert rows["not_there"][2] == "can't be used: it cannot be loaded: AttributeError"
