"""Batches of pictures: taken in, answered, their table, and what becomes of them."""

import csv
import io

import pytest

from tests.gateway.packing import image_bytes, pack
from tests.waiting import eventually

SHELF = {
    "shelf/b.png": image_bytes(size=(60, 40)),
    "shelf/=a.jpg": image_bytes("JPEG", size=(50, 40)),
    "shelf/c/broken.png": b"\x89PNG",
    "shelf/c/d.webp": image_bytes("WEBP", size=(40, 40)),
    "shelf/readme.txt": b"hello",
}


async def ask(gateway, files=None, headers=None, **texts: str):
    parts = {"file": ("shelf.zip", pack(SHELF if files is None else files), "application/zip")}
    form = {"question": "How many apples?", **texts}
    return await gateway.client.post("/predictions", files=parts, data=form, headers=headers)


async def started(gateway, **texts: str) -> str:
    answer = await ask(gateway, **texts)
    assert answer.status_code == 200, answer.text
    return answer.json()["prediction_id"]


async def completed(gateway, prediction_id: str) -> dict:
    async def has_ended() -> bool:
        answer = await gateway.client.get(f"/predictions/{prediction_id}")
        return answer.json()["status"] != "running"

    await eventually(has_ended)
    return (await gateway.client.get(f"/predictions/{prediction_id}")).json()


async def table(gateway, prediction_id: str, **query: float) -> list[dict[str, str]]:
    url = f"/predictions/{prediction_id}/answers.csv"
    answer = await gateway.client.get(url, params=query)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_every_picture_has_a_line(gateway, learner):
    prediction_id = await started(gateway)
    found = await completed(gateway, prediction_id)
    assert {
        "name": "shelf", "question": "How many apples?", "job_id": None, "status": "completed",
        "progress": 100.0,
    }.items() <= found.items()  # fmt: skip
    lines = await table(gateway, prediction_id)
    assert [
        (line["image"], line["count"], line["probability"], line["abstained"]) for line in lines
    ] == [
        ("'=a.jpg", "", "1", "false"),
        ("b.png", "1", "0.5", "false"),
        ("c/broken.png", "", "", ""),
        ("c/d.webp", "3", "0.125", "false"),
    ]
    assert [line["answer"] for line in lines] == ["'=0 apples", "'=1 apples", "", "'=3 apples"]
    assert lines[0]["note"] == "holds no number"
    assert lines[2]["note"].startswith("is not an image in one of the formats")
    assert {line["question"] for line in lines} == {"How many apples?"}
    [job] = learner.jobs.values()
    assert job.spec.predict.adapter_digest == ""
    assert job.spec.predict.max_image_size == 512


async def test_counts_below_the_bound_are_left_out(gateway):
    prediction_id = await started(gateway, abstain_below="0.3")
    await completed(gateway, prediction_id)
    for query, counts in (({}, ["1", ""]), ({"abstain_below": 0.1}, ["1", "3"])):
        lines = await table(gateway, prediction_id, **query)
        assert [line["count"] for line in (lines[1], lines[3])] == counts
    assert [line["abstained"] for line in await table(gateway, prediction_id)] == [
        "false", "false", "", "true",
    ]  # fmt: skip


async def test_a_jobs_adapter_answers_with_the_jobs_settings(gateway, learner):
    config = {"max_image_size": 224, "max_new_tokens": 9}
    job_id = await gateway.start_job(model="small", training_config=config)
    refused = await ask(gateway, job_id=job_id)
    assert refused.status_code in (200, 409)
    await gateway.until(job_id, "completed")
    other = await ask(gateway, job_id=job_id, model="other")
    assert [one["where"] for one in other.json()["errors"]] == ["model"]
    prediction_id = await started(gateway, job_id=job_id, max_new_tokens="5")
    assert (await completed(gateway, prediction_id))["job_id"] == job_id
    spec = learner.jobs[prediction_id].spec
    assert spec.base_model == "small"
    assert (spec.predict.max_image_size, spec.predict.max_new_tokens) == (224, 5)
    assert spec.predict.adapter_digest in learner.blobs
    listed = (await gateway.client.get("/predictions", params={"job_id": job_id})).json()
    assert prediction_id in [one["prediction_id"] for one in listed]


@pytest.mark.parametrize("job_id", ["garbage", "00000000-0000-0000-0000-000000000000", "%", ""])
async def test_an_id_that_no_job_has_lists_none(gateway, job_id):
    await completed(gateway, await started(gateway))
    listed = await gateway.client.get("/predictions", params={"job_id": job_id})
    assert (listed.status_code, listed.json()) == (200, [])


@pytest.mark.parametrize(
    ("files", "texts", "where", "code"),
    [
        ({"a.txt": b"x"}, {}, "file", "zip_without_pictures"),
        ({"a.png": b"x"}, {}, "a.png", "picture_format"),
        (None, {"question": " "}, "question", "question_length"),
        (None, {"abstain_below": "1.5"}, "abstain_below", "less_than_equal"),
        (None, {"abstain_below": "x"}, "abstain_below", "invalid_value"),
        (None, {"max_new_tokens": "0"}, "max_new_tokens", "greater_than_equal"),
        (None, {"job_id": "x"}, "job_id", "no_such_job"),
        (None, {"file_id": "x"}, "file_id", "unknown_field"),
    ],
)
async def test_what_can_not_be_asked_leaves_nothing(gateway, files, texts, where, code):
    answer = await ask(gateway, files, **texts)
    assert answer.status_code in (404, 422), answer.text
    [found] = answer.json()["errors"]
    assert (found["where"], found["code"]) == (where, code)
    assert (await gateway.client.get("/predictions")).json() == []
    await eventually(lambda: not gateway.staged())
    assert left_behind(gateway) == []


def left_behind(gateway) -> list[str]:
    folder = gateway.settings.data_dir
    names = ("batches", "batch-pictures", "adapters", "results")
    return [path.name for name in names for path in (folder / name).iterdir()]


async def test_it_goes_on_after_a_restart_and_is_deleted_whole(start_gateway, settings, learner):
    learner.hold.clear()
    async with start_gateway(settings) as gateway:
        prediction_id = await started(gateway)
        busy = await gateway.client.delete(f"/predictions/{prediction_id}?purge=true")
        assert busy.status_code == 409
        early = await gateway.client.get(f"/predictions/{prediction_id}/answers.csv")
        assert early.status_code == 409
    learner.hold.set()
    async with start_gateway(settings) as gateway:
        assert (await completed(gateway, prediction_id))["status"] == "completed"
        assert len(await table(gateway, prediction_id)) == 4
        await eventually(lambda: not list((settings.data_dir / "batches").iterdir()))
    async with start_gateway(settings) as gateway:
        assert len(await table(gateway, prediction_id)) == 4
        gone = await gateway.client.delete(f"/predictions/{prediction_id}?purge=true")
        assert gone.status_code == 200
        assert (await gateway.client.get(f"/predictions/{prediction_id}")).status_code == 404
        assert left_behind(gateway) == []
    assert prediction_id not in learner.jobs


async def test_a_cancelled_one_has_no_table(gateway, learner):
    learner.hold.clear()
    prediction_id = await started(gateway)
    await gateway.client.delete(f"/predictions/{prediction_id}")
    assert (await completed(gateway, prediction_id))["status"] == "cancelled"
    answer = await gateway.client.get(f"/predictions/{prediction_id}/answers.csv")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_without_result")


async def test_neither_jobs_nor_comparisons_are_predictions(gateway):
    job_id = await gateway.start_job()
    assert (await gateway.client.get(f"/predictions/{job_id}")).status_code == 404
    prediction_id = await started(gateway)
    await completed(gateway, prediction_id)
    assert [job["job_id"] for job in (await gateway.client.get("/jobs")).json()] == [job_id]
    assert (await gateway.client.get("/evaluations")).json() == []
    assert (await gateway.client.get("/files")).json() != []
    events = (await gateway.client.get(f"/jobs/{prediction_id}/events")).text
    assert "evaluation_progress" in events
