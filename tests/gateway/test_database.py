"""SQLite and PostgreSQL: the same tables, two gateways on one, a database that is away."""

import asyncio
import sqlite3
from contextlib import contextmanager

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from gateway.access.callers import OPERATOR
from gateway.database import open_database
from gateway.jobs.train_models import TrainRequest
from tally.rpc.errors import FailedPrecondition
from tests.gateway.event_text import parse_events
from tests.gateway.packing import good_zip
from tests.waiting import eventually


def test_the_migrations_make_the_tables_of_the_models(on_database):
    on_database.data_dir.mkdir(parents=True)
    database = open_database(on_database)
    database.migrate()
    database.migrate()
    with database.reading() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        differences = compare_metadata(context, SQLModel.metadata)
    database.close()
    assert differences == []


async def test_a_job_from_upload_to_download(start_gateway, on_database):
    async with start_gateway(on_database) as gateway:
        job_id = await gateway.start_job(headers={"Idempotency-Key": "a"})
        again = await gateway.train(
            (await gateway.client.get("/files")).json()[0]["file_id"],
            headers={"Idempotency-Key": "a"},
        )
        assert again.json()["job_id"] == job_id
        await gateway.until(job_id, "completed")
        events = parse_events((await gateway.client.get(f"/jobs/{job_id}/events")).text)
        assert [seq for seq, _, _ in events] == list(range(1, 7))
        assert (await gateway.client.get(f"/jobs/{job_id}/download")).status_code == 200
        odd = await gateway.train("\0")
        assert odd.status_code == 404


async def test_two_gateways_share_a_database(start_gateway, on_database, learner):
    learner.hold.clear()
    async with start_gateway(on_database) as one, start_gateway(on_database) as two:
        job_id = await one.start_job()
        url = f"/jobs/{job_id}/events"
        reading = asyncio.create_task(two.client.get(url))
        await asyncio.sleep(0.2)
        learner.hold.set()
        seqs = [seq for seq, _, _ in parse_events((await reading).text)]
        assert seqs == list(range(1, 7))
        await two.until(job_id, "completed")
        assert (await two.client.get(f"/jobs/{job_id}/download")).status_code == 200


async def test_a_key_whose_job_is_refused_leaves_no_ghost_at_another_gateway(
    start_gateway, on_database, learner
):
    async with start_gateway(on_database) as one, start_gateway(on_database) as two:
        file_id = (await one.upload(good_zip())).json()["file_id"]
        for key in "abc":
            learner.faults["StartJob"] = [FailedPrecondition("it has no such model")] * 100
            headers = {"Idempotency-Key": key}
            asked = [gateway.train(file_id, headers=headers) for gateway in [one, two] * 3]
            answers = await asyncio.gather(*asked)
            assert {answer.status_code for answer in answers} == {422}
            assert (await one.client.get("/jobs")).json() == []
        learner.faults["StartJob"] = []
        asked = [gateway.train(file_id, headers=headers) for gateway in [one, two] * 3]
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["job_id"] for answer in answers}) == 1


async def test_a_job_that_a_lost_gateway_never_submitted_is_submitted(
    start_gateway, on_database, learner
):
    """It was killed after the commit, before StartJob."""
    async with start_gateway(on_database) as gateway:
        file_id = (await gateway.upload(good_zip())).json()["file_id"]
        request = TrainRequest(job_name="apples", data_file_id=file_id)
        jobs = gateway.services.jobs
        job = await jobs._new_jobs.make(request, "a", OPERATOR, None)
        assert await jobs._store.run(jobs._store.add, job)
    async with start_gateway(on_database) as gateway:
        again = await gateway.train(file_id, headers={"Idempotency-Key": "a"})
        assert again.json()["job_id"] == job.job_id
        await gateway.until(job.job_id, "completed")
        assert list(learner.jobs) == [job.job_id]


async def test_a_locked_sqlite_is_a_bounded_503(start_gateway, settings):
    hasty = settings.model_copy(update={"database_timeout_seconds": 3})
    async with start_gateway(hasty) as gateway:
        file_id = (await gateway.upload(good_zip())).json()["file_id"]
        locker = sqlite3.connect(settings.data_dir / "gateway.sqlite3", isolation_level=None)
        locker.execute("BEGIN EXCLUSIVE")
        response = await gateway.train(file_id)
        assert response.status_code == 503
        assert "sqlite" not in response.text.lower()
        assert (await gateway.client.get("/jobs")).status_code == 200
        assert (await gateway.client.get("/healthz")).status_code == 200
        locker.execute("ROLLBACK")
        locker.close()
        assert (await gateway.train(file_id)).status_code == 200


async def test_writers_at_a_lock_do_not_hold_up_readers(start_gateway, settings):
    patient = settings.model_copy(update={"database_timeout_seconds": 60})
    async with start_gateway(patient) as gateway:
        await read_while_sixteen_write(gateway)


async def read_while_sixteen_write(gateway) -> None:
    job_id = await gateway.start_job()
    locker = sqlite3.connect(gateway.settings.data_dir / "gateway.sqlite3", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    url = f"/jobs/{job_id}"
    writers = [asyncio.create_task(gateway.client.delete(url)) for _ in range(16)]
    await asyncio.sleep(0.3)
    assert (await gateway.client.get(url)).status_code == 200
    assert not any(writer.done() for writer in writers)
    locker.execute("ROLLBACK")
    locker.close()
    assert {answer.status_code for answer in await asyncio.gather(*writers)} == {200}


async def test_a_postgres_that_restarts_costs_no_event(start_gateway, settings, postgres, learner):
    url = postgres.create()
    async with start_gateway(settings.model_copy(update={"database_url": url})) as gateway:
        learner.hold.clear()
        job_id = await gateway.start_job()
        await gateway.until(job_id, "training", phase="learning")
        await asyncio.to_thread(postgres.stop)
        response = await gateway.client.get("/jobs")
        assert response.status_code == 503
        assert str(postgres.port) not in response.text
        learner.hold.set()
        await asyncio.to_thread(postgres.start)
        await gateway.until(job_id, "completed")
        events = parse_events((await gateway.client.get(f"/jobs/{job_id}/events")).text)
        assert [seq for seq, _, _ in events] == list(range(1, 7))


@contextmanager
def frozen(postgres):
    postgres.freeze()
    try:
        yield
    finally:
        postgres.thaw()


async def test_a_postgres_that_hangs_costs_a_bounded_503_and_no_event(
    start_gateway, settings, postgres, learner
):
    hasty = {"database_url": postgres.create(), "database_timeout_seconds": 2}
    async with start_gateway(settings.model_copy(update=hasty)) as gateway:
        learner.hold.clear()
        job_id = await gateway.start_job()
        await gateway.until(job_id, "training", phase="learning")
        streamed = asyncio.create_task(gateway.client.get(f"/jobs/{job_id}/events"))
        await eventually(lambda: gateway.services.streams.in_use == 1)
        with frozen(postgres):
            asked = [gateway.client.get("/jobs") for _ in range(60)]
            changes = [gateway.client.delete(f"/jobs/{job_id}"), gateway.train("x")]
            answers = [asyncio.create_task(answer) for answer in [*asked, *changes]]
            health = await gateway.client.get("/healthz")
            assert health.status_code == 503
            assert (await gateway.client.get("/data-format")).status_code == 200
            for answer in await asyncio.gather(*answers):
                assert answer.status_code in (404, 503)
                assert answer.status_code == 404 or answer.headers["Retry-After"] == "2"
        learner.hold.set()
        await gateway.until(job_id, "completed")
        seqs = [seq for seq, _, _ in parse_events((await streamed).text)]
        assert seqs == list(range(1, 7))
        assert (await gateway.client.get("/healthz")).status_code == 200


async def test_many_writers_at_a_locked_sqlite_hold_up_nobody_for_long(start_gateway, settings):
    hasty = settings.model_copy(update={"database_timeout_seconds": 3})

    async def is_healthy() -> bool:
        return (await gateway.client.get("/healthz")).status_code == 200

    async with start_gateway(hasty) as gateway:
        file_id = (await gateway.upload(good_zip())).json()["file_id"]
        locker = sqlite3.connect(settings.data_dir / "gateway.sqlite3", isolation_level=None)
        locker.execute("BEGIN EXCLUSIVE")
        trains = [asyncio.create_task(gateway.train(file_id)) for _ in range(60)]
        await eventually(is_healthy)
        answers = await asyncio.gather(*trains)
        assert {answer.status_code for answer in answers} == {503}
        locker.execute("ROLLBACK")
        locker.close()
        assert (await gateway.client.get("/jobs")).json() == []
        assert (await gateway.train(file_id)).status_code == 200
