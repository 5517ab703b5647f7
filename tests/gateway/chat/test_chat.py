"""The OpenAI API, asked by OpenAI's own client."""

import base64

import openai
import pytest

from tally.learner.v1 import learner_pb2 as pb
from tests.gateway.packing import image_bytes


def data_url(image: bytes = b"", head: str = "data:image/png;base64") -> str:
    return f"{head},{base64.b64encode(image or image_bytes()).decode()}"


def question(url: str | None = None, text: str = "How many apples") -> list[dict]:
    parts = [{"type": "text", "text": text}]
    if url:
        parts.append({"type": "image_url", "image_url": {"url": url, "detail": "high"}})
    return [{"role": "user", "content": parts}]


@pytest.fixture
async def client(gateway):
    url = f"{gateway.client.base_url}/v1"
    async with openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0) as client:
        yield client


async def test_the_base_model_answers(client, gateway, learner):
    answer = await client.chat.completions.create(model="small", messages=question())
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason, answer.model) == ("many", "stop", "small")
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (20, 24)
    [asked] = learner.conversations
    assert (asked.base_model, asked.job_id, asked.image) == ("small", "", b"")
    assert not asked.HasField("seed")


async def test_a_jobs_adapter_answers_about_a_picture(client, gateway, learner):
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    messages = [{"role": "developer", "content": "Count."}, *question(data_url())]
    answer = await client.chat.completions.create(
        model=job_id, messages=messages, temperature=0.5, seed=7, max_tokens=9
    )
    assert answer.choices[0].message.content == "How many apples? 3 apples"
    [asked] = learner.conversations
    assert (asked.base_model, asked.job_id, asked.image) == ("", job_id, image_bytes())
    assert (asked.temperature, asked.seed, asked.max_new_tokens) == (0.5, 7, 9)
    roles = [pb.ChatRole.Name(message.role) for message in asked.messages]
    assert roles == ["CHAT_ROLE_SYSTEM", "CHAT_ROLE_USER"]
    assert [message.has_image for message in asked.messages] == [False, True]


async def test_a_stream_says_the_same(client, gateway):
    job_id = await gateway.start_job()
    chunks = [
        chunk
        async for chunk in await client.chat.completions.create(
            model=job_id,
            messages=question(text="How  many\nstars"),
            stream=True,
            stream_options={"include_usage": True},
        )
    ]
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == "How  many\nstars? 3 apples"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == 24
    assert len({chunk.id for chunk in chunks}) == 1


async def test_models_are_bases_and_completed_jobs(client, gateway):
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    listed = [model.id async for model in client.models.list()]
    assert listed == ["small", job_id]
    one = await client.models.retrieve(job_id)
    assert (one.owned_by, one.job_name, one.created > 0) == ("tally", "apples", True)
    assert (await client.models.retrieve("small")).id == "small"


async def test_a_jobs_best_adapter_is_a_model_of_its_own(client, gateway, learner):
    job_id = await gateway.start_job(training_config={"evaluation_steps": 1})
    await gateway.until(job_id, "completed")
    best = f"{job_id}:best"
    assert [model.id async for model in client.models.list()] == ["small", job_id, best]
    assert (await client.models.retrieve(best)).id == best
    for name in (job_id, best):
        answer = await client.chat.completions.create(model=name, messages=question())
        assert answer.model == name
    assert [(asked.job_id, asked.checkpoint) for asked in learner.conversations] == [
        (job_id, pb.ADAPTER_CHECKPOINT_LAST),
        (job_id, pb.ADAPTER_CHECKPOINT_BEST),
    ]


async def test_a_job_that_did_not_evaluate_has_no_best_one(client, gateway, learner):
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    with pytest.raises(openai.ConflictError) as refused:
        await client.chat.completions.create(model=f"{job_id}:best", messages=question())
    assert refused.value.code == "no_adapter"


async def test_a_comparison_is_no_model(client, gateway):
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    body = {"file_id": (await gateway.job(job_id))["data_file_id"]}
    compared = await gateway.client.post(f"/jobs/{job_id}/evaluate", json=body)
    name = compared.json()["evaluation_id"]
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve(name)
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model=name, messages=question())


async def test_a_base_model_may_have_a_slash(start_gateway, settings):
    listing = settings.model_copy(update={"models": ["Qwen/Small"]})
    async with start_gateway(listing) as gateway:
        answer = (await gateway.client.get("/v1/models/Qwen/Small")).json()
    assert answer["id"] == "Qwen/Small"


@pytest.mark.parametrize(
    "model", ["gpt-4", "00000000-0000-0000-0000-000000000000", "small:best", "../x"]
)
async def test_an_unknown_model_is_not_found(client, model: str):
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(model=model, messages=question())
    assert refused.value.code in ("no_such_model", "no_such_job")


@pytest.mark.parametrize(
    ("changed", "where", "code"),
    [
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", "invalid_value"),
        ({"messages": question("https://example.org/a.png")}, "url", "no_data_url"),
        ({"messages": question("data:image/png;base64,!")}, "url", "no_data_url"),
        ({"messages": question("data:text/plain;base64,eA==")}, "url", "no_data_url"),
        ({"messages": question(data_url(b"<svg/>"))}, "url", "picture_format"),
        ({"messages": question(data_url()) * 2}, "url", "one_picture_at_most"),
        ({"n": 2}, "body", "chat_setting_not_offered"),
        ({"tools": [{"type": "function"}]}, "body", "chat_setting_not_offered"),
        ({"response_format": {"type": "json_object"}}, "body", "chat_setting_not_offered"),
        ({"temperature": -1}, "temperature", "greater_than_equal"),
        ({"max_tokens": 0}, "max_tokens", "greater_than_equal"),
    ],
)
async def test_what_is_not_offered_is_named(gateway, learner, changed: dict, where: str, code: str):
    body = {"model": "small", "messages": question()} | changed
    answer = await gateway.client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 422, answer.text
    [error, *_] = answer.json()["errors"]
    assert error["where"].endswith(where)
    assert answer.json()["code"] == code
    assert not learner.conversations


@pytest.mark.parametrize(
    "neutral", [{"n": 1, "top_p": 1.0, "stop": None}, {"user": "me", "metadata": {"a": "b"}}]
)
async def test_what_changes_nothing_is_taken(gateway, neutral: dict):
    body = {"model": "small", "messages": question()} | neutral
    assert (await gateway.client.post("/v1/chat/completions", json=body)).status_code == 200


async def test_a_picture_is_as_large_as_elsewhere(gateway):
    body = {"model": "small", "messages": question(data_url(bytes(16 * 1024**2 + 1)))}
    answer = await gateway.client.post("/v1/chat/completions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_bytes")
    body = {"model": "small", "messages": question("x" * (23 * 1024**2))}
    answer = await gateway.client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 413


async def test_anothers_adapter_is_theirs(gateway):
    job_id = await gateway.start_job()
    theirs = await gateway.new_token("bob", "writer")
    url = f"{gateway.client.base_url}/v1"
    key = theirs["Authorization"].removeprefix("Bearer ")
    async with openai.AsyncOpenAI(api_key=key, base_url=url, max_retries=0) as client:
        with pytest.raises(openai.PermissionDeniedError):
            await client.chat.completions.create(model=job_id, messages=question())
        assert [model.id async for model in client.models.list()] == ["small"]
