"""Whose a file or a job is: keys, equal uploads, jobs that go on, and what is older than owners."""

import asyncio

import alembic.command
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from gateway.database import open_database
from tally.database.database import Database
from tests.gateway.packing import good_zip


async def upload_as(gateway, headers: dict[str, str]) -> str:
    files = {"file": ("training_data.zip", good_zip(), "application/zip")}
    answer = await gateway.client.post("/upload-data", files=files, headers=headers)
    return answer.json()["file_id"]


async def train_as(gateway, headers: dict[str, str], file_id: str, **body):
    body = {"job_name": "apples", "data_file_id": file_id, **body}
    return await gateway.client.post("/train", json=body, headers=headers)


async def test_two_owners_of_equal_uploads_see_their_own(gateway):
    alice, bob = [await gateway.new_token(name, "writer") for name in ("alice", "bob")]
    theirs = [await upload_as(gateway, headers) for headers in (alice, bob)]
    assert theirs[0] != theirs[1]
    for headers, file_id in zip((alice, bob), theirs, strict=True):
        listed = (await gateway.client.get("/files", headers=headers)).json()
        assert [file["file_id"] for file in listed] == [file_id]
    assert len(list((gateway.settings.data_dir / "datasets").iterdir())) == 1


async def test_two_owners_may_use_one_key(gateway):
    key = {"Idempotency-Key": "nightly"}
    alice, bob = [await gateway.new_token(name, "writer") | key for name in ("alice", "bob")]
    files = [await upload_as(gateway, headers) for headers in (alice, bob)]
    first, again, other = [
        (await train_as(gateway, headers, file_id)).json()["job_id"]
        for headers, file_id in ((alice, files[0]), (alice, files[0]), (bob, files[1]))
    ]
    assert first == again
    assert other != first


async def test_a_job_of_another_owner_is_not_gone_on_from(gateway, learner):
    alice, bob = [await gateway.new_token(name, "writer") for name in ("alice", "bob")]
    learner.hold.clear()
    job_id = (await train_as(gateway, alice, await upload_as(gateway, alice))).json()["job_id"]
    await gateway.client.delete(f"/jobs/{job_id}", headers=alice)
    file_id = await upload_as(gateway, bob)
    refused = await train_as(gateway, bob, file_id, resume_from_job_id=job_id)
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["where"] == "resume_from_job_id"
    assert len((await gateway.client.get("/jobs", headers=bob)).json()) == 0


async def test_the_learner_is_told_whose_a_job_is(gateway, learner):
    alice = await gateway.new_token("alice", "writer")
    operator = await gateway.new_token("ops", "operator")
    file_id = await upload_as(gateway, alice)
    jobs = [
        (await train_as(gateway, headers, file_id)).json()["job_id"]
        for headers in (alice, operator)
    ]
    assert [learner.jobs[job_id].spec.owner for job_id in jobs] == ["alice", "ops"]


async def test_what_is_older_than_tokens_is_the_operators_to_see(gateway):
    job_id = await gateway.start_job()
    alice = await gateway.new_token("alice", "writer")
    operator = await gateway.new_token("ops", "operator")
    assert (await gateway.client.get(f"/jobs/{job_id}", headers=alice)).status_code == 403
    assert (await gateway.client.get(f"/jobs/{job_id}", headers=operator)).status_code == 200


async def test_the_operators_own_token_sees_everything(start_gateway, settings):
    guarded = settings.model_copy(update={"token": SecretStr("s3cret")})
    async with start_gateway(guarded) as gateway:
        alice = await gateway.new_token("alice", "writer")
        file_id = await upload_as(gateway, alice)
        own = {"Authorization": "bearer  s3cret"}
        files = (await gateway.client.get("/files", headers=own)).json()
        assert [file["file_id"] for file in files] == [file_id]


_OLD_JOB = """INSERT INTO jobs (job_id, job_name, status, current_step, total_steps, created_at,
spec, dataset_digest, idempotency_key, last_seq, seq_offset, start_attempted, accepted,
cancel_requested, log_complete, kind) VALUES (:job_id, 'apples', 'completed', 1, 1,
'2025-01-20 10:30:00', '{}', 'd', :key, 1, 0, true, true, false, true, 'training')"""
_OLD_EVENT = """INSERT INTO job_events (job_id, seq, kind, time, payload)
VALUES (:job_id, 1, 'ended', '2025-01-20 10:30:00', '{}')"""


@pytest.mark.parametrize("back_and_forth", [1, 2])
def test_rows_older_than_owners_are_nobodys_in_particular(on_database, back_and_forth):
    on_database.data_dir.mkdir(parents=True)
    database = open_database(on_database)
    at_version(database, "0003")
    with database.writing() as session:
        for job_id, key in (("a", "nightly"), ("b", None)):
            session.execute(text(_OLD_JOB), {"job_id": job_id, "key": key})
            session.execute(text(_OLD_EVENT), {"job_id": job_id})
    for _ in range(back_and_forth - 1):
        database.migrate()
        at_version(database, "0003", down=True)
    database.migrate()
    with database.reading() as session:
        found = session.execute(text("SELECT job_id, owner, idempotency_key FROM jobs ORDER BY 1"))
        assert [tuple(row) for row in found] == [("a", "", "nightly"), ("b", "", None)]
        assert session.execute(text("SELECT count(*) FROM job_events")).scalar() == 2
    database.close()


def at_version(database: Database, version: str, *, down: bool = False) -> None:
    """The tables as that version had them."""
    move = alembic.command.downgrade if down else alembic.command.upgrade
    with database.migrating() as config:
        move(config, version)


async def test_a_key_of_before_owners_is_still_known(gateway):
    file_id = await upload_as(gateway, {})
    key = {"Idempotency-Key": "nightly"}
    answers = await asyncio.gather(*[train_as(gateway, key, file_id) for _ in range(5)])
    assert len({answer.json()["job_id"] for answer in answers}) == 1
