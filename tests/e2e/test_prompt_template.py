"""A job with a prompt template: trained, compared and asked with it, and it says so."""

import base64
import io
import json
import zipfile
from pathlib import Path

import pytest
import requests

from tests.stack import Stack

PROMPT = {"system_prompt": "Look twice.", "question_template": "{question} Answer briefly."}
CONFIG = {
    "max_image_size": 112,
    "max_new_tokens": 12,
    "batch_size": 4,
    "gradient_accumulation_steps": 1,
    "num_generations": 4,
    "temperature": 1.0,
    "use_4bit": False,
    "max_steps": 2,
}
QUESTION = "How many stars are in this image?"


def body_of(file_id: str, **changes: object) -> dict[str, object]:
    body = {"job_name": "asking", "data_file_id": file_id, "training_config": CONFIG}
    return {**body, "lora_config": {"r": 8}, "prompt": PROMPT, **changes}


@pytest.fixture(scope="module")
def job_id(stack: Stack, file_id: str) -> str:
    response = requests.post(
        f"{stack.url}/train", json=body_of(file_id, evaluation_file_id=file_id), timeout=60
    )
    response.raise_for_status()
    job = stack.wait(response.json()["job_id"])
    assert job["status"] == "completed", job
    return job["job_id"]


@pytest.fixture(scope="module")
def picture(training_zip: Path) -> bytes:
    with zipfile.ZipFile(training_zip) as archive:
        name = min(name for name in archive.namelist() if name.startswith("images/"))
        return archive.read(name)


def test_preflight_shows_what_the_model_gets(stack: Stack, file_id: str):
    response = requests.post(f"{stack.url}/train?dry_run=true", json=body_of(file_id), timeout=120)
    example = response.json()["prompt_example"]
    places = [example.index(said) for said in ("Look twice.", "<|image_pad|>", "Answer briefly.")]
    assert places == sorted(places)
    refused = body_of(file_id, prompt={"question_template": "How many?"})
    response = requests.post(f"{stack.url}/train", json=refused, timeout=60)
    assert response.status_code == 422
    assert "{question} stands in it 0 times" in response.text


def test_the_adapter_comes_with_its_template(stack: Stack, job_id: str):
    data = requests.get(f"{stack.url}/jobs/{job_id}/download", timeout=60).content
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert json.loads(archive.read("training_args.json"))["prompt"] == PROMPT
        card = archive.read("README.md").decode()
    assert "| `question_template` |" in card
    assert '"text": "How many apples are in this image? Answer briefly."' in card
    assert '{"role": "system", "content": [{"type": "text", "text": "Look twice."}]}' in card


def test_predict_and_the_endpoint_ask_as_the_job_was_trained(
    stack: Stack, job_id: str, picture: bytes
):
    predicted = requests.post(
        f"{stack.url}/predict",
        files={"image": picture},
        data={"question": QUESTION, "job_id": job_id},
        timeout=120,
    ).json()
    wrapped = PROMPT["question_template"].replace("{question}", QUESTION)
    of_job = chat(stack, job_id, picture, [("user", QUESTION)])
    assert of_job["choices"][0]["message"]["content"] == predicted["adapter"]["text"]
    # The base model is given the same words by hand: the same prompt, and the same answer.
    base = stack.get("/v1/models")["data"][0]["id"]
    by_hand = chat(stack, base, picture, [("system", PROMPT["system_prompt"]), ("user", wrapped)])
    assert by_hand["choices"][0]["message"]["content"] == predicted["base"]["text"]
    assert by_hand["usage"]["prompt_tokens"] == of_job["usage"]["prompt_tokens"]
    plain = chat(stack, base, picture, [("user", QUESTION)])
    assert plain["usage"]["prompt_tokens"] < of_job["usage"]["prompt_tokens"]


def chat(stack: Stack, model: str, picture: bytes, said: list[tuple[str, str]]) -> dict:
    """`said` by whom; the picture belongs to the last of it."""
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    *before, (role, text) = said
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": text},
    ]
    messages = [{"role": who, "content": what} for who, what in before]
    body = {
        "model": model,
        "temperature": 0,
        "max_tokens": 12,
        "messages": [*messages, {"role": role, "content": content}],
    }
    response = requests.post(f"{stack.url}/v1/chat/completions", json=body, timeout=120)
    response.raise_for_status()
    return response.json()
