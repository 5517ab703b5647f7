"""What goes with age: listed by a dry run, deleted by the gateway or by the command."""

import asyncio
import logging
from datetime import timedelta

import pytest
from sqlmodel import select

from gateway import retention
from gateway.deletion import retention as module
from gateway.deletion.retention import Retention
from gateway.jobs.job_models import Job, JobEvent
from gateway.uploads.file_models import StoredFile
from tests.gateway.packing import good_zip
from tests.waiting import eventually

DAYS = {
    "file_retention_days": 30.0,
    "job_retention_days": 20.0,
    "comparison_retention_days": 10.0,
}


@pytest.fixture
def of_the_gateway(gateway, monkeypatch):
    """The environment in which the command finds the gateway's database."""
    monkeypatch.setenv("TALLY_GATEWAY_DATA_DIR", str(gateway.settings.data_dir))
    return gateway


async def things(gateway) -> tuple[str, str, str]:
    """Ids of a file, a completed job, and a comparison of its adapter."""
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    file_id = (await gateway.job(job_id))["data_file_id"]
    asked = await gateway.client.post(f"/jobs/{job_id}/evaluate", json={"file_id": file_id})
    comparison_id = asked.json()["evaluation_id"]
    await gateway.until(comparison_id, "completed")
    return file_id, job_id, comparison_id


def grow_old(gateway, days: float) -> None:
    """Everything that is there by now."""
    with gateway.services.database.writing() as session:
        for file in session.exec(select(StoredFile)):
            file.upload_time -= timedelta(days=days)
        for job in session.exec(select(Job)):
            job.created_at -= timedelta(days=days)
        for event in session.exec(select(JobEvent)):
            event.time -= timedelta(days=days)


def retention_of(gateway, **days: float) -> Retention:
    settings = gateway.settings.model_copy(update=days)
    return Retention(settings, gateway.services.storage, gateway.services.database)


async def left(gateway) -> list[int]:
    """How many files, jobs and comparisons there are."""
    urls = ("/files", "/jobs", "/evaluations")
    return [len((await gateway.client.get(url)).json()) for url in urls]


async def test_each_kind_goes_at_its_own_age(start_gateway, on_database):
    async with start_gateway(on_database) as gateway:
        ids = await things(gateway)
        for days, kinds in ((5, []), (6, ["comparison"]), (10, ["job"]), (10, ["file"])):
            grow_old(gateway, days)
            keeping = retention_of(gateway, **DAYS)
            found = keeping.find()
            assert [one.kind for one in found] == kinds
            assert all(one.id in ids and one.bytes_here > 0 for one in found)
            assert keeping.apply() == found
        assert await left(gateway) == [0, 0, 0]


async def test_what_is_in_use_never_goes(gateway, learner):
    file_id, _, _ = await things(gateway)
    learner.hold.clear()
    running = (await gateway.train(file_id)).json()["job_id"]
    grow_old(gateway, 100)
    gone = retention_of(gateway, **DAYS).apply()
    assert sorted(one.kind for one in gone) == ["comparison", "job"]
    assert await left(gateway) == [1, 1, 0]
    learner.hold.set()
    await gateway.until(running, "completed")
    assert (await gateway.client.get(f"/jobs/{running}/download")).status_code == 200


async def test_a_file_is_as_old_as_its_last_use(gateway):
    file_id, _, _ = await things(gateway)
    grow_old(gateway, 40)
    again = (await gateway.train(file_id)).json()["job_id"]
    await gateway.until(again, "completed")
    grow_old(gateway, 15)
    keeping = retention_of(gateway, file_retention_days=30.0)
    assert keeping.find() == []
    grow_old(gateway, 16)
    assert [one.id for one in keeping.find()] == [file_id]


async def test_without_a_setting_nothing_goes(gateway):
    await things(gateway)
    grow_old(gateway, 10_000)
    assert not retention_of(gateway).is_on
    assert retention_of(gateway).find() == []


async def test_the_gateway_looks_by_itself(start_gateway, settings, learner, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "gateway.deletion.retention")
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.05)
    async with start_gateway(settings.model_copy(update=DAYS)) as gateway:
        ids = await things(gateway)
        await asyncio.to_thread(grow_old, gateway, 60)

        async def all_is_gone() -> bool:
            return await left(gateway) == [0, 0, 0]

        await eventually(all_is_gone)
        await eventually(lambda: learner.jobs == {})
        assert all(one in caplog.text for one in ids)


async def test_the_command_lists_first_and_deletes_then(of_the_gateway, capsys):
    gateway = of_the_gateway
    file_id, job_id, comparison_id = await things(gateway)
    grow_old(gateway, 50)
    await gateway.upload(good_zip())
    options = ["--file-days", "30", "--job-days", "30", "--comparison-days", "60"]
    await asyncio.to_thread(retention.main, ["--dry-run", *options])
    said = capsys.readouterr()
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert rows[0] == ["kind", "id", "owner", "name", "since", "days", "bytes"]
    assert [row[:4] for row in rows[1:]] == [
        ["file", file_id, "-", "training_data.zip"],
        ["job", job_id, "-", "apples"],
    ]
    assert all(row[5] == "50.0" and int(row[6]) > 0 for row in rows[1:])
    assert said.err.startswith("2 would go, with ")
    assert await left(gateway) == [2, 1, 1]
    await asyncio.to_thread(retention.main, options)
    assert capsys.readouterr().err.startswith("2 went, with ")
    assert await left(gateway) == [1, 0, 1]
    result = gateway.services.storage.result_path(job_id)
    await eventually(lambda: not result.exists())  # which the gateway sees to
    assert (await gateway.client.get(f"/evaluations/{comparison_id}")).status_code == 200


def test_the_command_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.setenv("TALLY_GATEWAY_DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match="nothing is kept for a time only: set TALLY_GATEWAY_FILE"):
        retention.main([])


@pytest.mark.parametrize("days", ["0", "-1", "nan", "inf", "1e9"])
def test_days_of_the_command_are_bounded_as_the_settings_are(tmp_path, monkeypatch, capsys, days):
    monkeypatch.setenv("TALLY_GATEWAY_DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit) as caught:
        retention.main([f"--file-days={days}"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("file_retention_days: Input should be ")
    assert list(tmp_path.iterdir()) == []
