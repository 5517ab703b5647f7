"""Try it: what reaches the learner, and what is refused before."""

import pytest

from tally.rpc.errors import FailedPrecondition, Unavailable
from tests.gateway.packing import image_bytes


async def ask(gateway, image: bytes, **texts: str):
    files = {"image": ("apples.png", image, "image/png")}
    return await gateway.client.post("/predict", files=files, data=texts)


async def test_base_and_adapter_answer_side_by_side(gateway, learner):
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    image = image_bytes()
    response = await ask(gateway, image, question=" 有幾個蘋果？ ", job_id=job_id)
    assert response.json() == {
        "question": "有幾個蘋果？",
        "job_id": job_id,
        "base": {"text": "many", "count": None, "explanation": "holds no number"},
        "adapter": {"text": "3 apples", "count": 3, "explanation": None},
    }
    asked = learner.questions[0]
    assert (asked.image, asked.question, asked.job_id) == (image, "有幾個蘋果？", job_id)
    assert not asked.HasField("max_image_size")
    assert gateway.staged() == []


async def test_without_a_job_the_base_model_answers_alone(gateway, learner):
    texts = {"question": "How many?", "model": "Qwen/Small", "max_new_tokens": "7"}
    response = await ask(gateway, image_bytes(), **texts)
    assert response.json()["adapter"] is None
    asked = learner.questions[0]
    assert (asked.base_model, asked.max_new_tokens, asked.job_id) == ("Qwen/Small", 7, "")


@pytest.mark.parametrize(
    ("image", "texts", "status", "where"),
    [
        (b"<svg/>", {"question": "How many?"}, 422, "image"),
        (image_bytes()[:-40], {"question": "How many?"}, 422, "image"),
        (b"", {"question": "How many?"}, 422, "image"),
        (image_bytes(), {}, 422, "question"),
        (image_bytes(), {"question": " "}, 422, "question"),
        (image_bytes(), {"question": "x" * 4001}, 422, "question"),
        (image_bytes(), {"question": "x" * 20_000}, 422, "question"),
        (image_bytes(), {"question": "How many?", "job_id": "../x"}, 404, "job_id"),
        (image_bytes(), {"question": "How many?", "max_new_tokens": "0"}, 422, "max_new_tokens"),
        (image_bytes(), {"question": "How many?", "model": "/etc"}, 422, "model"),
        (image_bytes(), {"question": "How many?", "temperature": "1"}, 422, "temperature"),
        (bytes(17 * 1024**2), {"question": "How many?"}, 413, "body"),
    ],
)
async def test_a_bad_request_is_named(gateway, image, texts, status, where):
    response = await ask(gateway, image, **texts)
    assert (response.status_code, response.json()["errors"][0]["where"]) == (status, where)
    assert gateway.staged() == []


@pytest.mark.parametrize(
    ("fault", "status"),
    [(FailedPrecondition("the job has no adapter yet"), 409), (Unavailable("10.0.0.1"), 503)],
)
async def test_what_the_learner_says_is_passed_on(gateway, learner, fault, status):
    learner.faults["Answer"] = [fault] * 9
    response = await ask(gateway, image_bytes(), question="How many?")
    assert response.status_code == status
    assert "10.0.0.1" not in response.text
