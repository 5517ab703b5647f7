"""The exact gradient over counts through the real stack: it learns; what has none is refused."""

from pathlib import Path

import pytest
import requests

from tally.samples.dataset import write_dataset
from tests.stack import Stack

SETTINGS = {
    "estimator": "exact_counts",
    "learning_rate": 1e-3,
    "batch_size": 6,
    "gradient_accumulation_steps": 1,
    "temperature": 1.0,
    "use_4bit": False,
    "learning_rate_schedule": "constant",
    "max_steps": 24,
    "num_epochs": 100,
}


@pytest.fixture(scope="module")
def job_id(stack: Stack, file_id: str) -> str:
    return stack.train(file_id, **SETTINGS)


def test_a_job_learns_from_probabilities_alone(stack: Stack, job_id: str):
    assert stack.wait(job_id)["status"] == "completed"
    steps = stack.get(f"/jobs/{job_id}/metrics")["steps"]
    assert len(steps) == SETTINGS["max_steps"]
    rewards = [step["expected_reward_mean"] for step in steps]
    assert sum(rewards[-6:]) / 6 > sum(rewards[:6]) / 6 + 0.02
    assert max(step["outside_mass_mean"] for step in steps) < 0.5
    assert {step["log_probability_gap"] for step in steps} == {None}
    # A greedy answer to each prompt, and nothing else.
    shown = stack.get(f"/jobs/{job_id}/samples")["steps"][-1]["groups"]
    assert [len(group["answers"]) for group in shown] == [1] * len(shown)


def test_settings_without_a_meaning_are_refused_with_a_sentence(stack: Stack, file_id: str):
    body = {"job_name": "stale", "data_file_id": file_id}
    body["training_config"] = SETTINGS | {"staleness": 1}
    for query in ("", "?dry_run=true"):
        response = requests.post(f"{stack.url}/train{query}", json=body, timeout=60)
        assert response.status_code == 422
        assert "staleness" in response.text
        assert "exact_counts" in response.text


def test_a_preflight_finds_the_place_of_the_count(stack: Stack, file_id: str):
    body = {"job_name": "dry", "data_file_id": file_id, "training_config": SETTINGS}
    found = requests.post(f"{stack.url}/train?dry_run=true", json=body, timeout=120).json()
    codes = {finding["code"] for finding in found["findings"]}
    assert not codes & {"no_count_form", "counts_beyond", "no_variety", "never_right"}


def test_a_question_that_asks_for_no_count_is_refused_at_preflight(stack: Stack, tmp_path: Path):
    """The small policy has five tokens to answer in: it never ends."""
    write_dataset(tmp_path / "data.zip", scenes=6, seed=8)
    body = {"job_name": "cut off", "data_file_id": stack.upload(tmp_path / "data.zip")}
    body["training_config"] = SETTINGS | {"max_new_tokens": 2}
    found = requests.post(f"{stack.url}/train?dry_run=true", json=body, timeout=120).json()
    (finding,) = [one for one in found["findings"] if one["code"] == "no_count_form"]
    assert finding["severity"] == "error"
    assert finding["where"] == "training_config.estimator"
    assert found["ok"] is False


def test_a_job_without_places_for_counts_ends_with_a_sentence(stack: Stack, file_id: str):
    job = stack.wait(stack.train(file_id, **SETTINGS | {"max_new_tokens": 2}))
    assert job["status"] == "failed"
    assert "set the estimator to sampled" in job["error_message"]
