"""What an owner writes about a job, and how jobs are found by it."""

import pytest
from alembic import command
from sqlalchemy import text

from gateway.database import open_database
from gateway.jobs.job_lists import Chosen, JobLists
from gateway.jobs.job_models import TRAINING
from tests.gateway.packing import good_zip


async def changed(gateway, job_id: str, **changes) -> dict:
    answer = await gateway.client.patch(f"/jobs/{job_id}", json=changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def names(gateway, **query) -> list[str]:
    answer = await gateway.client.get("/jobs", params=query)
    assert answer.status_code == 200, answer.text
    found = [job["job_name"] for job in answer.json()]
    if "limit" not in query:
        assert answer.headers["x-total-count"] == str(len(found))
    return found


async def test_a_job_is_named_tagged_and_annotated_whatever_it_does(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job(training_config={"num_epochs": 3})
    assert {"tags": [], "notes": ""}.items() <= (await gateway.job(job_id)).items()
    job = await changed(gateway, job_id, tags=["Red", " apples ", "red"], notes=" For the\nreport ")
    assert (job["tags"], job["notes"]) == (["apples", "red"], "For the\nreport")
    assert (await changed(gateway, job_id, job_name="蘋果"))["tags"] == ["apples", "red"]
    learner.hold.set()
    job = await gateway.until(job_id, "completed")
    assert (job["job_name"], job["notes"]) == ("蘋果", "For the\nreport")
    settings = (await gateway.client.get(f"/jobs/{job_id}/settings")).json()
    assert settings["job_name"] == "apples"
    download = await gateway.client.get(f"/jobs/{job_id}/download")
    assert "%E8%98%8B%E6%9E%9C.zip" in download.headers["content-disposition"]
    assert (await changed(gateway, job_id, tags=[], notes=""))["tags"] == []


async def test_a_job_that_goes_on_from_another_has_its_tags(gateway):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    first = (await gateway.train(file_id)).json()["job_id"]
    await changed(gateway, first, tags=["apples", "red"], notes="The first.")
    second = (await gateway.train(file_id, resume_from_job_id=first)).json()["job_id"]
    job = await gateway.job(second)
    assert (job["tags"], job["notes"]) == (["apples", "red"], "")
    await changed(gateway, second, tags=["green"])
    assert (await gateway.job(first))["tags"] == ["apples", "red"]
    other = (await gateway.train(file_id, fresh=True)).json()["job_id"]
    assert (await gateway.job(other))["tags"] == []


async def test_a_job_has_its_tags_from_the_beginning(gateway):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    body = {"tags": ["Red", " apples ", "red"], "fresh": True}
    headers = {"Idempotency-Key": "apples"}
    job = (await gateway.train(file_id, headers=headers, **body)).json()
    assert job["tags"] == ["apples", "red"]
    job_id = job["job_id"]
    await changed(gateway, job_id, tags=["green"])
    again = await gateway.train(file_id, headers=headers, **body)
    assert (again.json()["job_id"], again.json()["tags"]) == (job_id, ["green"])
    settings = (await gateway.client.get(f"/jobs/{job_id}/settings")).json()
    assert settings["tags"] == ["green"]
    on = await gateway.train(file_id, resume_from_job_id=job_id, tags=["blue"])
    assert on.json()["tags"] == ["blue"]


async def test_a_job_with_a_tag_that_is_none_does_not_start(gateway):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    answer = await gateway.train(file_id, tags=["a,b"])
    assert answer.status_code == 422
    assert [one["code"] for one in answer.json()["errors"]] == ["tag_invalid"]
    assert (await gateway.client.get("/jobs")).json() == []


async def test_jobs_are_found_by_what_is_said_of_them(start_gateway, on_database):
    async with start_gateway(on_database) as gateway:
        file_id = (await gateway.upload(good_zip())).json()["file_id"]
        ids = {}
        for name in ("Apples_1", "apples 100%", "蘋果"):
            body = {"model": "other"} if name == "蘋果" else {}
            answer = await gateway.train(file_id, job_name=name, **body)
            ids[name] = answer.json()["job_id"]
            await gateway.until(ids[name], "completed")
        await changed(gateway, ids["Apples_1"], tags=["fruit", "small run"])
        await changed(gateway, ids["蘋果"], tags=["fruits"], notes="Taiwan, FIRST")
        assert await names(gateway, tag="Fruit") == ["Apples_1"]
        assert await names(gateway, tag="f") == []
        assert await names(gateway, q="apples") == ["apples 100%", "Apples_1"]
        assert await names(gateway, q="100%") == ["apples 100%"]
        assert await names(gateway, q="_1") == ["Apples_1"]
        assert await names(gateway, q="first") == await names(gateway, q="果") == ["蘋果"]
        assert await names(gateway, q="small run") == ["Apples_1"]
        assert await names(gateway, q=ids["蘋果"][:8]) == ["蘋果"]
        assert await names(gateway, model="other") == ["蘋果"]
        assert await names(gateway, model="small") == ["apples 100%", "Apples_1"]
        assert await names(gateway, status="failed") == []
        assert await names(gateway, status="completed", q="apples", tag="fruit") == ["Apples_1"]
        answer = await gateway.client.get("/jobs?q=apples&limit=1&offset=1")
        assert answer.headers["x-total-count"] == "2"
        assert [job["job_name"] for job in answer.json()] == ["Apples_1"]


@pytest.mark.parametrize(
    ("changes", "where", "code"),
    [
        ({"tags": ["a,b"]}, "tags.0", "tag_invalid"),
        ({"tags": [" "]}, "tags.0", "tag_invalid"),
        ({"tags": ["a" * 41]}, "tags.0", "string_too_long"),
        ({"tags": ["a"] * 21}, "tags", "too_long"),
        ({"tags": "a"}, "tags", "list_type"),
        ({"notes": "a\x1b[2J"}, "notes", "control_characters"),
        ({"notes": "a" * 4_001}, "notes", "string_too_long"),
        ({"job_name": " "}, "job_name", "name_blank"),
        ({"status": "completed"}, "status", "unknown_field"),
    ],
)
async def test_what_can_not_be_said_is_refused_and_nothing_changes(gateway, changes, where, code):
    job_id = await gateway.start_job()
    answer = await gateway.client.patch(f"/jobs/{job_id}", json={"notes": "new", **changes})
    assert answer.status_code == 422
    assert [(one["where"], one["code"]) for one in answer.json()["errors"]] == [(where, code)]
    assert (await gateway.job(job_id))["notes"] == ""


async def test_jobs_of_before_have_neither(on_database):
    on_database.data_dir.mkdir(parents=True)
    database = open_database(on_database)
    database.migrate()
    with database.migrating() as config:
        command.downgrade(config, "0009")
    columns = (
        "job_id, job_name, status, current_step, total_steps, created_at, spec, dataset_digest, "
        "last_seq, seq_offset, start_attempted, accepted, cancel_requested, log_complete"
    )
    values = "'a', 'old', 'completed', 1, 1, '2025-01-20', '{}', '', 1, 0, true, true, false, true"
    with database.transaction() as connection:
        connection.execute(text(f"INSERT INTO jobs ({columns}) VALUES ({values})"))
    database.migrate()
    [job], total = JobLists(database).page(TRAINING, None, Chosen(text="old"))
    assert (job.tags, job.notes, total) == ([], "", 1)
    database.close()
