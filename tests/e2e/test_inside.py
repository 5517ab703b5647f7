"""`tally up --rollouts inside`: what a rollout service would have sampled, the learner does."""

import base64
import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import requests

from tests.stack import Stack, running_stack
from tests.waiting import wait_until

PICTURE = "scene_000002.png"
TRAINING = {
    "max_steps": 4,
    "num_epochs": 100,
    "learning_rate": 2e-3,
    "batch_size": 2,
    "gradient_accumulation_steps": 1,
    "temperature": 1.0,
    "use_4bit": False,
    "evaluation_steps": 2,
}


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    options = ("--rollouts", "inside", "--no-use-4bit")
    with running_stack(tmp_path_factory.mktemp("inside"), *options) as stack:
        yield stack


@pytest.fixture(scope="module")
def file_id(inside: Stack, many_zip: Path) -> str:
    return inside.upload(many_zip)


@pytest.fixture(scope="module")
def job(inside: Stack, file_id: str) -> dict:
    job = inside.wait(inside.train(file_id, **TRAINING))
    assert job["status"] == "completed", job
    return job


@pytest.fixture(scope="module")
def picture(many_zip: Path) -> bytes:
    with zipfile.ZipFile(many_zip) as archive:
        return archive.read(f"images/{PICTURE}")


def curve_of(inside: Stack, job: dict) -> list[dict]:
    return inside.get(f"/jobs/{job['job_id']}/metrics")["evaluations"]


def lines_of(inside: Stack, job_id: str) -> dict[tuple[str, str], dict]:
    """Of a comparison's table, by row and model."""
    table = requests.get(f"{inside.url}/jobs/{job_id}/evaluation.csv", timeout=60)
    table.raise_for_status()
    return {(one["row"], one["model"]): one for one in csv.DictReader(io.StringIO(table.text))}


def answers(inside: Stack, picture: bytes, job_id: str) -> dict:
    """Once the worker before has gone, for the learner's own engine waits for that."""

    def ask() -> requests.Response | None:
        asked = requests.post(
            f"{inside.url}/predict",
            files={"image": picture},
            data={"question": "How many apples are there?", "job_id": job_id},
            timeout=300,
        )
        return None if asked.status_code == 503 else asked

    answered = wait_until(ask, inside.logs)
    assert answered.status_code == 200, answered.text
    return answered.json()


def test_what_is_held_out_is_scored_while_it_trains(inside: Stack, job: dict):
    assert not inside.pids("rollout_service")
    curve = curve_of(inside, job)
    assert [scored["step"] for scored in curve] == [2, 4]
    compared = inside.get(f"/jobs/{job['job_id']}/evaluation")
    assert compared["num_samples"] == curve[-1]["num_samples"] > 0
    # The last step's adapter is the one that is compared.
    assert compared["adapter"]["exact_rate"] == curve[-1]["exact_rate"]
    assert job["best_step"] == max(curve, key=lambda scored: scored["exact_rate"])["step"]


def test_the_best_adapter_answers_as_it_did_wherever_it_is_compared(
    inside: Stack, job: dict, file_id: str
):
    url = f"{inside.url}/jobs/{job['job_id']}/download?checkpoint=best"
    download = requests.get(url, timeout=60)
    download.raise_for_status()
    sent = requests.post(
        f"{inside.url}/evaluations",
        files={"adapter": ("best.zip", download.content)},
        data={"file_id": file_id, "max_image_size": "112", "max_new_tokens": "12"},
        timeout=60,
    ).json()
    assert inside.evaluation(sent["evaluation_id"])["num_samples"] == 60
    of_job, again = (lines_of(inside, one) for one in (job["job_id"], sent["evaluation_id"]))
    held_out = {row for row, _ in of_job}
    for row in held_out:
        assert again[row, "base"]["answer"] == of_job[row, "base"]["answer"]
    lines = [again[row, "adapter"] for row in held_out]
    right = [line["count"] == line["true_count"] for line in lines]
    [best] = [scored for scored in curve_of(inside, job) if scored["is_best"]][-1:]
    assert (best["step"], sum(right) / len(right)) == (job["best_step"], best["exact_rate"])


def test_a_picture_is_answered_in_each_way_alike(inside: Stack, job: dict, picture: bytes):
    answered = answers(inside, picture, job["job_id"])
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    text = {"type": "text", "text": answered["question"]}
    image = {"type": "image_url", "image_url": {"url": url}}
    messages = [{"role": "user", "content": [text, image]}]
    with openai.OpenAI(base_url=f"{inside.url}/v1", api_key="none") as client:
        [base, *_] = (model.id for model in client.models.list())
        for model, said in ((base, answered["base"]), (job["job_id"], answered["adapter"])):
            reply = client.chat.completions.create(model=model, messages=messages)
            assert reply.choices[0].message.content == said["text"]


def test_preflight_names_the_temperature_that_would_teach(inside: Stack, file_id: str):
    body = {
        "job_name": "preflight",
        "data_file_id": file_id,
        "training_config": TRAINING | {"max_image_size": 112, "temperature": 0.05},
        "lora_config": {"r": 8},
    }

    def ask() -> dict | None:
        asked = requests.post(f"{inside.url}/train?dry_run=true", json=body, timeout=300)
        assert asked.status_code == 200, asked.text
        return asked.json() if asked.json()["base"] else None

    found = wait_until(ask, inside.logs)
    assert found["replica_memory"] is None
    [cold] = [finding for finding in found["findings"] if finding["code"] == "no_variety"]
    warmer = cold["suggestion"]["training_config"]["temperature"]
    assert f"at {warmer:g} they would in" in cold["message"]


def test_a_zip_of_pictures_is_answered(inside: Stack, job: dict, picture: bytes, many_zip: Path):
    said = answers(inside, picture, job["job_id"])
    sent = requests.post(
        f"{inside.url}/predictions",
        files={"file": ("many.zip", many_zip.read_bytes())},
        data={"question": said["question"], "job_id": job["job_id"]},
        timeout=60,
    ).json()
    url = f"{inside.url}/predictions/{sent['prediction_id']}"

    def ended() -> dict | None:
        found = requests.get(url, timeout=60).json()
        return found if found["status"] != "running" else None

    assert wait_until(ended, inside.logs)["status"] == "completed"
    table = requests.get(f"{url}/answers.csv", timeout=60).text
    lines = {Path(one["image"]).name: one for one in csv.DictReader(io.StringIO(table))}
    assert len(lines) == 60
    assert lines[PICTURE]["answer"] == said["adapter"]["text"]
    assert all(0 < float(line["probability"]) <= 1 for line in lines.values())
