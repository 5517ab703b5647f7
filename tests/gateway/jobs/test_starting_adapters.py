"""Training that begins with an adapter: an earlier job's or an uploaded one, or why not."""

import json

import pytest

from tally.rpc.digests import digest_of
from tests.fakes.learner import ADAPTER_CONFIG, safetensors_bytes
from tests.gateway.packing import good_zip, pack
from tests.waiting import eventually


def adapter_zip(prompt: object = None, **config: object) -> bytes:
    entries = {
        "adapter_config.json": json.dumps(ADAPTER_CONFIG | config).encode(),
        "adapter_model.safetensors": safetensors_bytes(),
    }
    if prompt:
        entries["training_args.json"] = json.dumps({"prompt": prompt}).encode()
    return pack(entries)


async def file_id_of(gateway, data: bytes) -> str:
    answer = await gateway.upload(data)
    assert answer.status_code == 200, answer.text
    return answer.json()["file_id"]


async def completed(gateway) -> str:
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    return job_id


async def begun_with(gateway, **body) -> dict:
    answer = await gateway.train(await file_id_of(gateway, good_zip()), **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refused(gateway, **body) -> tuple[int, str, str]:
    answer = await gateway.train(await file_id_of(gateway, good_zip()), **body)
    [error] = answer.json()["errors"]
    return answer.status_code, error["where"], error["code"]


async def test_a_job_begins_with_anothers_adapter(gateway, learner):
    first = await completed(gateway)
    job = await begun_with(gateway, adapter_job_id=first)
    assert (job["adapter_job_id"], job["adapter_file_id"]) == (first, None)
    training = learner.jobs[job["job_id"]].spec.train
    assert training.adapter_job_id == first
    weights = learner.blobs[training.adapter_digest]
    assert weights.endswith(b"\0" * 16)
    assert (training.lora.r, training.lora.lora_alpha) == (2, 4)
    assert learner.jobs[job["job_id"]].spec.base_model == "small"


async def test_its_settings_can_be_sent_again(gateway, learner):
    first = await completed(gateway)
    job = await begun_with(gateway, adapter_job_id=first)
    settings = (await gateway.client.get(f"/jobs/{job['job_id']}/settings")).json()
    assert settings["adapter_job_id"] == first
    assert settings["lora_config"]["r"] == 2
    assert (await gateway.client.post("/train", json=settings)).status_code == 200


async def test_the_same_request_again_is_the_same_job(gateway):
    first = await completed(gateway)
    file_id = await file_id_of(gateway, good_zip())
    jobs = [
        (
            await gateway.train(file_id, adapter_job_id=first, headers={"Idempotency-Key": "k"})
        ).json()
        for _ in range(2)
    ]
    assert jobs[0]["job_id"] == jobs[1]["job_id"]


async def test_nothing_is_left_of_the_adapter_once_the_job_has_ended(gateway):
    job = await begun_with(gateway, adapter_job_id=await completed(gateway))
    await gateway.until(job["job_id"], "completed")
    adapters = gateway.settings.data_dir / "adapters"

    async def is_empty() -> bool:
        return not list(adapters.iterdir())

    await eventually(is_empty)
    assert gateway.staged() == []


async def test_the_job_that_it_began_with_may_be_deleted(gateway, learner):
    first = await completed(gateway)
    learner.hold.clear()
    job = await begun_with(gateway, adapter_job_id=first)
    assert (await gateway.client.delete(f"/jobs/{first}?purge=true")).status_code == 200
    learner.hold.set()
    await gateway.until(job["job_id"], "completed", adapter_job_id=first)


async def test_a_cancelled_job_without_a_step_has_none(gateway, learner):
    learner.hold.clear()
    first = await gateway.start_job()
    await gateway.client.delete(f"/jobs/{first}")
    await gateway.until(first, "cancelled")
    assert await refused(gateway, adapter_job_id=first) == (409, "adapter_job_id", "no_adapter")


async def test_a_jobs_best_adapter_is_begun_with_where_it_is_named(gateway, learner):
    first = await gateway.start_job(training_config={"evaluation_steps": 1})
    await gateway.until(first, "completed")
    await begun_with(gateway, adapter_job_id=first)
    assert learner.calls["PackAdapter"] == 0
    await begun_with(gateway, adapter_job_id=first, adapter_checkpoint="best")
    assert learner.calls["PackAdapter"] == 1
    unevaluated = await completed(gateway)
    answer = await refused(gateway, adapter_job_id=unevaluated, adapter_checkpoint="best")
    assert answer == (409, "adapter_job_id", "no_adapter")
    status, _, code = await refused(gateway, adapter_checkpoint="best")
    assert (status, code) == (422, "checkpoint_of_no_job")


PROMPT = {"system_prompt": "Count.", "question_template": "{question} Now."}


async def test_it_is_asked_as_the_job_was_unless_the_request_says_otherwise(gateway, learner):
    first = await gateway.start_job(prompt=PROMPT)
    await gateway.until(first, "completed")
    asked = []
    for body in ({}, {"prompt": {"system_prompt": "Look."}}):
        job = await begun_with(gateway, adapter_job_id=first, **body)
        asked.append(learner.jobs[job["job_id"]].spec.train.prompt)
    assert (asked[0].system_prompt, asked[0].question_template) == tuple(PROMPT.values())
    assert (asked[1].system_prompt, asked[1].question_template) == ("Look.", "{question}")


async def test_an_uploaded_adapter_is_asked_as_its_download_says(gateway, learner):
    file_id = await file_id_of(gateway, adapter_zip(prompt=PROMPT))
    job = await begun_with(gateway, adapter_file_id=file_id)
    assert learner.jobs[job["job_id"]].spec.train.prompt.system_prompt == "Count."
    settings = (await gateway.client.get(f"/jobs/{job['job_id']}/settings")).json()
    assert settings["prompt"] == PROMPT


@pytest.mark.parametrize("prompt", ["Count.", {"question_template": "How many?"}])
async def test_a_prompt_that_is_none_is_refused_by_its_entry(gateway, prompt):
    answer = await gateway.upload(adapter_zip(prompt=prompt))
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["where"], error["code"]) == ("training_args.json", "adapter_prompt_unreadable")


async def test_an_uploaded_adapter_is_listed_and_begun_with(gateway, learner):
    uploaded = (await gateway.upload(adapter_zip())).json()
    assert (uploaded["kind"], uploaded["csv_rows"]) == ("adapter", 0)
    rows = await gateway.client.get(f"/files/{uploaded['file_id']}/rows")
    assert rows.json()["rows"] == []
    picture = await gateway.client.get(f"/files/{uploaded['file_id']}/images/2")
    assert picture.status_code == 404
    job = await begun_with(gateway, adapter_file_id=uploaded["file_id"], model="small")
    assert (job["adapter_job_id"], job["adapter_file_id"]) == (None, uploaded["file_id"])
    training = learner.jobs[job["job_id"]].spec.train
    assert training.lora.r == 2
    assert digest_of(learner.blobs[training.adapter_digest]) == training.adapter_digest


async def test_an_uploaded_adapter_stays_while_it_is_needed(gateway, learner):
    file_id = await file_id_of(gateway, adapter_zip())
    learner.hold.clear()
    job = await begun_with(gateway, adapter_file_id=file_id)
    kept = await gateway.client.delete(f"/files/{file_id}")
    assert (kept.status_code, kept.json()["code"]) == (409, "file_in_job")
    learner.hold.set()
    await gateway.until(job["job_id"], "completed")
    assert (await gateway.client.delete(f"/files/{file_id}")).status_code == 200
    assert (await refused(gateway, adapter_file_id=file_id))[0] == 404


async def test_preflight_asks_the_adapter(gateway, learner):
    first = await completed(gateway)
    file_id = await file_id_of(gateway, good_zip())
    body = {"job_name": "x", "data_file_id": file_id, "adapter_job_id": first}
    answer = await gateway.client.post("/train?dry_run=true", json=body)
    assert answer.status_code == 200, answer.text
    assert learner.preflights[-1].train.adapter_digest in learner.blobs
    assert gateway.staged() == []


@pytest.mark.parametrize(
    ("lora", "where"),
    [({"r": 8}, "lora_config.r"), ({"r": 2, "lora_alpha": 8}, "lora_config.lora_alpha")],
)
async def test_another_rank_or_scale_is_refused_by_its_name(gateway, lora: dict, where: str):
    first = await completed(gateway)
    answer = await refused(gateway, adapter_job_id=first, lora_config=lora)
    assert answer == (422, where, "adapter_has_another")


async def test_what_agrees_and_what_the_adapter_does_not_say_is_free(gateway, learner):
    first = await completed(gateway)
    lora = {"r": 2, "lora_alpha": 4, "lora_dropout": 0.25}
    job = await begun_with(gateway, adapter_job_id=first, lora_config=lora, model="small")
    assert learner.jobs[job["job_id"]].spec.train.lora.lora_dropout == 0.25


async def test_another_base_model_is_refused(gateway):
    first = await completed(gateway)
    answer = await refused(gateway, adapter_job_id=first, model="Qwen/Qwen2.5-VL-7B-Instruct")
    assert answer == (422, "model", "adapter_of_model")


async def test_a_job_that_there_is_not_or_that_has_not_ended(gateway, learner):
    assert await refused(gateway, adapter_job_id="nothing") == (
        404,
        "adapter_job_id",
        "no_such_job",
    )
    learner.hold.clear()
    running = await gateway.start_job()
    assert await refused(gateway, adapter_job_id=running) == (
        409,
        "adapter_job_id",
        "job_unfinished",
    )


async def test_a_job_of_another_owner_is_not_begun_with(gateway):
    alice, bob = [await gateway.new_token(name, "writer") for name in ("alice", "bob")]
    post = gateway.client.post
    ids = []
    for headers in (alice, bob):
        sent = await post("/upload-data", files={"file": ("a.zip", good_zip())}, headers=headers)
        ids.append(sent.json()["file_id"])
    body = {"job_name": "x", "data_file_id": ids[0]}
    first = (await post("/train", json=body, headers=alice)).json()["job_id"]
    body = {"job_name": "x", "data_file_id": ids[1], "adapter_job_id": first}
    answer = await post("/train", json=body, headers=bob)
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["where"] == "adapter_job_id"


async def test_data_is_no_adapter_and_an_adapter_no_data(gateway):
    data, adapter = [await file_id_of(gateway, one) for one in (good_zip(), adapter_zip())]
    assert await refused(gateway, adapter_file_id=data) == (
        422,
        "adapter_file_id",
        "file_no_adapter",
    )
    answer = await gateway.train(adapter)
    assert (answer.status_code, answer.json()["code"]) == (422, "file_no_data")
    assert answer.json()["errors"][0]["where"] == "data_file_id"


async def test_one_adapter_is_begun_with(gateway):
    body = {"adapter_job_id": "a", "adapter_file_id": "b"}
    status, _, code = await refused(gateway, **body)
    assert (status, code) == (422, "two_adapters")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (adapter_zip(peft_type="IA3"), "adapter_no_lora"),
        (adapter_zip(r=0), "adapter_rank"),
        (pack({"adapter_config.json": b"{}"}), "adapter_entry_missing"),
        (
            pack({"adapter_config.json": b"{}", "adapter_model.bin": b"\x80\x04."}),
            "adapter_pickle",
        ),
    ],
)
async def test_an_adapter_that_is_none_is_not_taken(gateway, data: bytes, code: str):
    answer = await gateway.upload(data)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await gateway.client.get("/files")).json() == []
    assert gateway.staged() == []


async def test_a_scale_that_no_job_may_have_is_refused(gateway):
    file_id = await file_id_of(gateway, adapter_zip(lora_alpha=50_000))
    answer = await refused(gateway, adapter_file_id=file_id)
    assert answer == (422, "adapter_config.json", "adapter_out_of_range")
