"""POST /train: what is refused names its field; an idempotency key makes one job."""

import asyncio

import pytest

from gateway.jobs.job_models import Job
from reward_service.rewards import REWARDS
from tally.rpc.errors import FailedPrecondition, InvalidArgument
from tests.gateway.packing import good_zip, image_bytes

BAD = {
    "training_config.learning_rate": [0, -1, 2, "5e-5", True, None],
    "training_config.num_epochs": [0, 10**9, 1.5, "3", True, None],
    "training_config.num_generations": [1, 10**6],
    "training_config.use_4bit": [1, "true", None],
    "training_config.temperature": [0, 11],
    "training_config.seed": [-1, 2**32, 10**30],
    "training_config.loss_type": ["DAPO", "ppo", 4],
    "training_config.unknown": [1],
    "training_config": [None, [], "fast"],
    "lora_config.r": [0, 2.0, "64"],
    "lora_config.lora_dropout": [1, -0.1],
    "model": ["/etc/passwd", "../model", "~/model", "file:///model", 7, ""],
    "trust_remote_code": [True],
    "job_name": ["", " ", 3, None, "a\0b", "a\nb", "x" * 201],
    "data_file_id": [None, 3],
    "rewards.0.weight": [None, "1"],
    "prompt": [None, [], "{question}"],
    "prompt.system_prompt": [None, 3, "x" * 4001, "a\0b", "\u202ea"],
    "prompt.question_template": [None, "", "How many?", "{question}{question}", "{question}\x1b"],
    "prompt.unknown": ["x"],
}


def body_with(path: str, value) -> dict:
    body: dict = {"job_name": "apples", "data_file_id": "any"}
    if path.startswith("rewards"):
        return {**body, "rewards": [{"name": "progressive_count", "weight": value}]}
    *parents, last = path.split(".")
    target = body
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value
    return body


async def test_a_bad_field_is_refused_by_name(gateway):
    for path, values in BAD.items():
        for value in values:
            response = await gateway.client.post("/train", json=body_with(path, value))
            wheres = [error["where"] for error in response.json()["errors"]]
            assert (response.status_code, wheres) == (422, [path]), (value, response.text)
    assert (await gateway.client.get("/jobs")).json() == []


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "9" * 5000,
    ],
)
async def test_a_number_that_is_none_is_refused(gateway, text):
    body = f'{{"job_name": "a", "data_file_id": "b", "training_config": {{"beta": {text}}}}}'
    response = await gateway.client.post(
        "/train", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422
    assert response.json()["errors"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"\\ud800": 1}', b"null"]
)
async def test_a_body_that_is_no_object_is_refused(gateway, body):
    headers = {"Content-Type": "application/json"}
    response = await gateway.client.post("/train", content=body, headers=headers)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["where"] == "body"


async def test_json_without_its_content_type_is_told_so(gateway):
    response = await gateway.client.post("/train", content=b'{"job_name": "a"}')
    assert response.status_code == 422
    assert "Content-Type: application/json" in response.json()["detail"]


@pytest.mark.parametrize("file_id", ["nope", "../x", "2f6d1c9a-0b0e-4b4e-8a51-0f6b8f1f7c33", "\0"])
async def test_an_unknown_file_is_not_found(gateway, file_id):
    response = await gateway.train(file_id)
    assert response.status_code == 404
    assert response.json()["errors"][0]["where"] == "data_file_id"


async def test_a_refusal_of_the_learner_reaches_the_caller_and_leaves_no_job(gateway, learner):
    learner.base_models = ("Qwen/Qwen2.5-VL-3B-Instruct",)
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    response = await gateway.train(file_id, model="other/model")
    assert response.status_code == 422
    assert "not on this learner's list" in response.json()["detail"]
    assert (await gateway.client.get("/jobs")).json() == []
    assert (await gateway.train(file_id)).status_code == 200


@pytest.mark.parametrize("refusal", [InvalidArgument("spec: bad"), FailedPrecondition("no model")])
async def test_a_refusal_that_comes_late_fails_the_job(gateway, learner, refusal):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    await learner.stop()
    job = (await gateway.train(file_id)).json()
    assert (job["status"], job["phase"], job["output_dir"]) == ("training", "queued", None)
    learner.faults["StartJob"] = [refusal]
    await learner.start()
    job = await gateway.until(job["job_id"], "failed")
    assert job["error_message"] == str(refusal)
    events = await gateway.client.get(f"/jobs/{job['job_id']}/events")
    assert "event: ended" in events.text


async def test_the_servers_list_of_models_holds(start_gateway, settings):
    limited = settings.model_copy(update={"models": ["Qwen/Qwen2.5-VL-3B-Instruct"]})
    async with start_gateway(limited) as gateway:
        file_id = (await gateway.upload(good_zip())).json()["file_id"]
        response = await gateway.train(file_id, model="other/model")
        assert response.status_code == 422
        assert response.json()["errors"][0]["where"] == "model"
        assert (await gateway.train(file_id, model=limited.models[0])).status_code == 200


@pytest.mark.parametrize(("path", "field"), [("/predict", "image"), ("/evaluations", "adapter")])
async def test_the_servers_list_of_models_holds_for_forms(start_gateway, settings, path, field):
    limited = settings.model_copy(update={"models": ["Qwen/Qwen2.5-VL-3B-Instruct"]})
    async with start_gateway(limited) as gateway:
        texts = {"question": "How many?"} if field == "image" else {"file_id": "any"}
        files = {field: ("x", image_bytes())}
        data = {**texts, "model": "other/model"}
        response = await gateway.client.post(path, files=files, data=data)
        assert response.status_code == 422
        assert response.json()["errors"][0]["where"] == "model"


async def test_a_prompt_template_reaches_the_learner(gateway, learner):
    prompt = {"system_prompt": "Count.", "question_template": "{question} Think first."}
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    job_id = (await gateway.train(file_id, prompt=prompt)).json()["job_id"]
    spec = learner.jobs[job_id].spec
    asked = spec.train.prompt
    assert (asked.system_prompt, asked.question_template) == tuple(prompt.values())
    settings = (await gateway.client.get(f"/jobs/{job_id}/settings")).json()
    assert settings["prompt"] == prompt
    url, body = "/train?dry_run=true", {"job_name": "a", "data_file_id": file_id, "prompt": prompt}
    found = (await gateway.client.post(url, json=body)).json()
    assert found["prompt_example"] == "{question} Think first."


async def test_rewards_are_listed_as_the_reward_service_has_them(gateway):
    listed = (await gateway.client.get("/rewards")).json()
    assert [reward["name"] for reward in listed] == list(REWARDS)
    assert all(reward["description"] for reward in listed)
    assert {(reward["package"], reward["fault"]) for reward in listed} == {(None, None)}


async def test_rewards_are_checked_with_the_reward_service(gateway, learner):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    response = await gateway.train(file_id, rewards=[{"name": "no_such_reward", "weight": 1}])
    assert response.status_code == 422
    assert "progressive_count" in response.json()["detail"]
    rewards = [{"name": "progressive_count", "weight": 0.5}]
    job = (await gateway.train(file_id, rewards=rewards)).json()
    assert learner.jobs[job["job_id"]].spec.train.rewards[0].weight == 0.5


async def test_fields_beyond_the_document_reach_the_learner(gateway, learner):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    config = {"loss_type": "dr_grpo", "advantage_scale": "none", "beta": 0.04, "max_steps": 7}
    job = (await gateway.train(file_id, training_config=config)).json()
    training = learner.jobs[job["job_id"]].spec.train.config
    assert (training.loss_type, training.advantage_scale) == (3, 3)
    assert (training.beta, training.max_steps, training.learning_rate_schedule) == (0.04, 7, 1)


async def test_the_same_key_and_body_are_one_job(gateway, learner):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    headers = {"Idempotency-Key": "key-1"}
    answers = await asyncio.gather(*[gateway.train(file_id, headers=headers) for _ in range(8)])
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert len(learner.jobs) == len((await gateway.client.get("/jobs")).json()) == 1


async def test_the_same_key_is_the_same_refusal(gateway, learner):
    learner.base_models = ("Qwen/Qwen2.5-VL-3B-Instruct",)
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    refused = {"headers": {"Idempotency-Key": "key-1"}, "model": "other/model"}
    answers = await asyncio.gather(*[gateway.train(file_id, **refused) for _ in range(8)])
    assert [answer.status_code for answer in answers] == [422] * 8
    assert (await gateway.client.get("/jobs")).json() == []


async def test_the_same_key_with_another_body_is_refused(gateway):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    headers = {"Idempotency-Key": "key-1"}
    await gateway.train(file_id, headers=headers)
    response = await gateway.train(file_id, job_name="other", headers=headers)
    assert response.status_code == 422
    assert response.json()["errors"][0]["where"] == "Idempotency-Key"


async def test_a_setting_that_is_new_makes_no_other_body_of_an_earlier_one(gateway):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    headers = {"Idempotency-Key": "key-1"}
    first = (await gateway.train(file_id, headers=headers)).json()["job_id"]
    # As a version wrote it that did not have the setting.
    with gateway.services.database.writing() as session:
        job = session.get(Job, first)
        job.spec = {name: value for name, value in job.spec.items() if name != "fresh"}
    again = await gateway.train(file_id, headers=headers)
    assert (again.status_code, again.json()["job_id"]) == (200, first)


async def test_a_dry_run_answers_what_the_job_would_do_and_writes_none(gateway, learner):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    body = {"job_name": "apples", "data_file_id": file_id, "evaluation_share": 0.2}
    response = await gateway.client.post("/train?dry_run=true", json=body)
    result = response.json()
    assert (result["ok"], result["base"], result["time"]) == (False, None, None)
    assert result["findings"] == [
        {
            "severity": "error",
            "code": "not_enough_memory",
            "where": "training_config.batch_size",
            "message": "an estimated 9.0 GB are needed",
            "parameters": {"explanation": "an estimated 9.0 GB are needed"},
            "suggestion": {
                "training_config": {"batch_size": 4, "use_4bit": True},
                "lora_config": {"lora_alpha": 0.5},
            },
        }
    ]
    assert result["memory"]["parts"]["weights"] == 4
    assert result["memory"]["loading_bytes"] == 7
    assert result["replica_memory"]["parts"]["caches"] == 3
    assert (await gateway.client.get("/jobs")).json() == []
    assert learner.jobs == {}


async def test_a_dry_run_refuses_what_a_job_would_be_refused_for(gateway):
    body = {"job_name": "apples", "data_file_id": "nothing"}
    assert (await gateway.client.post("/train?dry_run=true", json=body)).status_code == 404
    response = await gateway.client.post("/train?dry_run=true", json={**body, "model": "/etc"})
    assert response.status_code == 422
    assert (await gateway.client.post("/train?dry_run=maybe", json=body)).status_code == 422


async def test_the_settings_of_a_job_start_the_same_again(gateway):
    job_id = await gateway.start_job()
    settings = (await gateway.client.get(f"/jobs/{job_id}/settings")).json()
    assert settings["training_config"]["num_epochs"] == 50
    again = await gateway.client.post("/train", json=settings)
    assert again.status_code == 200
    second = (await gateway.client.get(f"/jobs/{again.json()['job_id']}/settings")).json()
    assert second == settings
