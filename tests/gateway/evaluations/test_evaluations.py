"""Comparisons: their files, those that are asked for later, and adapters of strangers."""

import json
import struct

import pytest

from gateway.uploads.adapter_archive import write_adapter
from gateway.uploads.archive import Archive
from tests.fakes.learner import ADAPTER_CONFIG, safetensors_bytes
from tests.gateway.checks import finish
from tests.gateway.packing import good_zip, pack
from tests.waiting import eventually


def adapter_zip(config: object = None, weights: bytes | None = None, **others: bytes) -> bytes:
    """`config` as it is where it is bytes, else as JSON."""
    if not isinstance(config, bytes):
        config = json.dumps(ADAPTER_CONFIG if config is None else config).encode()
    weights = safetensors_bytes() if weights is None else weights
    return pack({"adapter_config.json": config, "adapter_model.safetensors": weights, **others})


async def send(gateway, data: bytes, **texts: str):
    files = {"adapter": ("apples.zip", data, "application/zip")}
    return await gateway.client.post("/evaluations", files=files, data=texts)


async def uploaded(gateway) -> str:
    return (await gateway.upload(good_zip())).json()["file_id"]


async def ended(gateway, evaluation_id: str) -> dict:
    async def has_ended() -> bool:
        response = await gateway.client.get(f"/evaluations/{evaluation_id}")
        return response.json()["status"] != "running"

    await eventually(has_ended)
    return (await gateway.client.get(f"/evaluations/{evaluation_id}")).json()


async def test_a_jobs_comparison_as_table_and_page(gateway):
    job_id = await gateway.start_job(evaluation_file_id=await uploaded(gateway))
    await gateway.until(job_id, "completed")
    table = await gateway.client.get(f"/jobs/{job_id}/evaluation.csv")
    assert table.text.splitlines() == ["row,answer", f"2,{job_id}"]
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    page = await gateway.client.get(f"/jobs/{job_id}/evaluation.html")
    assert page.text.startswith("<!doctype html>")
    assert "sandbox" in page.headers["content-security-policy"]


async def test_a_report_outlives_the_learner(gateway, learner):
    job_id = await gateway.start_job(evaluation_file_id=await uploaded(gateway))
    await gateway.until(job_id, "completed")
    learner.lose_everything()
    await learner.stop()
    assert (await gateway.client.get(f"/jobs/{job_id}/evaluation")).status_code == 200


async def test_without_a_comparison_there_are_no_files(gateway):
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    for name in ("evaluation", "evaluation.csv", "evaluation.html"):
        response = await gateway.client.get(f"/jobs/{job_id}/{name}")
        assert response.status_code == 409
        assert "evaluation_file_id" in response.json()["detail"]


async def test_a_completed_job_is_compared_again(gateway, learner):
    prompt = {"system_prompt": "Count.", "question_template": "{question} Now."}
    job_id = await gateway.start_job(training_config={"max_image_size": 112}, prompt=prompt)
    await gateway.until(job_id, "completed")
    file_id = await uploaded(gateway)
    url = f"/jobs/{job_id}/evaluate"
    started = (await gateway.client.post(url, json={"file_id": file_id})).json()
    assert (started["job_id"], started["file_id"]) == (job_id, file_id)
    done = await ended(gateway, started["evaluation_id"])
    assert (done["status"], done["progress"], done["error_message"]) == ("completed", 100.0, None)
    assert done["evaluation"]["file_id"] == file_id
    spec = learner.jobs[started["evaluation_id"]].spec
    assert spec.WhichOneof("work") == "evaluate"
    assert spec.evaluate.max_image_size == 112
    assert spec.evaluate.prompt.system_prompt == "Count."
    assert spec.evaluate.prompt.question_template == "{question} Now."
    assert spec.evaluate.adapter_digest in learner.blobs
    listed = (await gateway.client.get(f"/evaluations?job_id={job_id}")).json()
    assert [one["evaluation_id"] for one in listed] == [started["evaluation_id"]]
    assert (await gateway.client.get("/evaluations?job_id=another")).json() == []
    assert [job["job_id"] for job in (await gateway.client.get("/jobs")).json()] == [job_id]
    table = await gateway.client.get(f"/jobs/{started['evaluation_id']}/evaluation.csv")
    assert table.status_code == 200


async def test_the_adapter_blob_is_safetensors_with_a_configuration(gateway, learner):
    started = (await send(gateway, adapter_zip(), file_id=await uploaded(gateway))).json()
    assert (await ended(gateway, started["evaluation_id"]))["status"] == "completed"
    blob = learner.blobs[learner.jobs[started["evaluation_id"]].spec.evaluate.adapter_digest]
    from safetensors.numpy import deserialize

    ((name, tensor),) = deserialize(blob)
    assert name.endswith("q_proj.lora_A.weight")
    assert tensor["shape"] == [2, 2]
    length = struct.unpack("<Q", blob[:8])[0]
    config = json.loads(json.loads(blob[8 : 8 + length])["__metadata__"]["adapter_config"])
    assert config == {k: v for k, v in ADAPTER_CONFIG.items() if "path" not in k}
    assert (8 + length) % 8 == 0


async def test_the_adapter_file_goes_with_its_comparison(gateway, learner):
    learner.hold.clear()
    started = (await send(gateway, adapter_zip(), file_id=await uploaded(gateway))).json()
    kept = gateway.settings.data_dir / "adapters"
    assert [path.stem for path in kept.iterdir()] == [started["evaluation_id"]]
    assert started["status"] == "running"
    answer = await gateway.client.delete(f"/evaluations/{started['evaluation_id']}")
    assert answer.json()["status"] == "cancelled"
    await eventually(lambda: not list(kept.iterdir()))


async def test_a_comparison_is_told_again_to_a_learner_that_lost_it(gateway, learner):
    learner.hold.clear()
    started = (await send(gateway, adapter_zip(), file_id=await uploaded(gateway))).json()
    await eventually(lambda: started["evaluation_id"] in learner.jobs)
    learner.lose_everything()
    await learner.stop()
    learner.hold.set()
    await learner.start()
    assert (await ended(gateway, started["evaluation_id"]))["status"] == "completed"


async def test_the_settings_of_a_form_reach_the_learner(gateway, learner):
    texts = {"max_image_size": "224", "max_new_tokens": "12", "model": "Qwen/Small"}
    file_id = await uploaded(gateway)
    started = (await send(gateway, adapter_zip(), file_id=file_id, **texts)).json()
    spec = learner.jobs[started["evaluation_id"]].spec
    assert (spec.evaluate.max_image_size, spec.evaluate.max_new_tokens) == (224, 12)
    assert spec.base_model == "Qwen/Small"
    assert spec.job_name == "apples"


@pytest.mark.parametrize(
    ("texts", "where", "status"),
    [
        ({}, "file_id", 422),
        ({"file_id": "nothing"}, "file_id", 404),
        ({"max_image_size": "huge"}, "max_image_size", 422),
        ({"max_image_size": "-5"}, "max_image_size", 422),
        ({"max_image_size": "5"}, "max_image_size", 422),
        ({"max_new_tokens": "9" * 19}, "max_new_tokens", 422),
        ({"max_new_tokens": "٣"}, "max_new_tokens", 422),
        ({"max_new_tokens": "9" * 40}, "max_new_tokens", 422),
        ({"model": "/etc/passwd"}, "model", 422),
        ({"other": "x"}, "other", 422),
    ],
)
async def test_a_bad_text_is_named(gateway, texts, where, status):
    if where != "file_id":
        texts = {"file_id": await uploaded(gateway), **texts}
    response = await send(gateway, adapter_zip(), **texts)
    assert (response.status_code, response.json()["errors"][0]["where"]) == (status, where)
    assert (await gateway.client.get("/evaluations")).json() == []
    assert list((gateway.settings.data_dir / "adapters").iterdir()) == []


def header_of(length: int, text: bytes = b"{}") -> bytes:
    return struct.pack("<Q", length) + text


HOSTILE = {
    "not a ZIP": b"PK\x03\x04 no",
    "empty": pack({}),
    "no weights": pack({"adapter_config.json": b"{}"}),
    "no configuration": pack({"adapter_model.safetensors": safetensors_bytes()}),
    "a pickle": pack({"adapter_config.json": b"{}", "adapter_model.bin": b"x"}),
    "configuration: not JSON": adapter_zip(b"{"),
    "configuration: nested": adapter_zip(b"[" * 100_000),
    "configuration: a list": adapter_zip([]),
    "configuration: IA3": adapter_zip({"peft_type": "IA3"}),
    "configuration: no rank": adapter_zip({"peft_type": "LORA"}),
    "configuration: a huge rank": adapter_zip({"peft_type": "LORA", "r": 10**6}),
    "configuration: true for a rank": adapter_zip({"peft_type": "LORA", "r": True}),
    "weights: empty": adapter_zip(weights=b""),
    "weights: a huge header": adapter_zip(weights=header_of(2**63)),
    "weights: a header beyond the end": adapter_zip(weights=header_of(100)),
    "weights: not JSON": adapter_zip(weights=header_of(3, b"abc")),
    "weights: nested": adapter_zip(weights=header_of(90_000, b"[" * 90_000)),
    "weights: no tensors": adapter_zip(weights=header_of(2)),
    "weights: beyond the data": adapter_zip(weights=safetensors_bytes(data_offsets=[0, 10**12])),
    "weights: backwards": adapter_zip(weights=safetensors_bytes(data_offsets=[16, 0])),
    "weights: below zero": adapter_zip(weights=safetensors_bytes(data_offsets=[-1, 16])),
    "weights: a negative side": adapter_zip(weights=safetensors_bytes(shape=[-1, 2])),
    "weights: a shape of text": adapter_zip(weights=safetensors_bytes(shape="2,2")),
    "weights: another field": adapter_zip(weights=safetensors_bytes(more=1)),
    "a name that leads out": adapter_zip(**{"../x": b"1"}),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_adapter_leaves_nothing_behind(gateway, data):
    response = await send(gateway, data, file_id=await uploaded(gateway))
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["where"]
    assert str(gateway.settings.data_dir) not in response.text
    assert gateway.staged() == []
    assert list((gateway.settings.data_dir / "adapters").iterdir()) == []


async def test_an_adapter_in_a_folder_of_its_own_is_taken(gateway):
    inner = {f"run-1/{name}": b"" for name in ("README.md", "tokenizer.json")}
    inner["run-1/adapter_config.json"] = json.dumps(ADAPTER_CONFIG).encode()
    inner["run-1/adapter_model.safetensors"] = safetensors_bytes()
    response = await send(gateway, pack(inner), file_id=await uploaded(gateway))
    assert response.status_code == 200, response.text


def test_a_large_adapter_is_written_block_by_block(tmp_path, settings):
    data = bytes(range(256)) * 8192
    weights = safetensors_bytes(data, shape=[512, 1024], data_offsets=[0, len(data)])
    (tmp_path / "a.zip").write_bytes(adapter_zip(weights=weights))
    finish(write_adapter(Archive(tmp_path / "a.zip", settings), tmp_path / "blob", settings))
    assert (tmp_path / "blob").read_bytes().endswith(data)


async def test_an_unfinished_job_and_an_unknown_one_are_not_compared(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job()
    body = {"file_id": "any"}
    assert (await gateway.client.post(f"/jobs/{job_id}/evaluate", json=body)).status_code == 409
    assert (await gateway.client.post("/jobs/nothing/evaluate", json=body)).status_code == 404
    assert (await gateway.client.get(f"/evaluations/{job_id}")).status_code == 404
    assert (await gateway.client.get("/evaluations/x%00")).status_code == 404
    assert (await gateway.client.delete("/evaluations/nothing")).status_code == 404


async def test_a_comparison_that_failed_says_why(gateway, learner):
    learner.fail_with = "adapter: unknown key"
    started = (await send(gateway, adapter_zip(), file_id=await uploaded(gateway))).json()
    done = await ended(gateway, started["evaluation_id"])
    assert (done["status"], done["error_message"]) == ("failed", "adapter: unknown key")
    assert done["evaluation"] is None
