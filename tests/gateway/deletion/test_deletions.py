"""Files, jobs and comparisons that are deleted, with what hangs on them, and what stays."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tally.host.locks import lock as lock_file
from tests.gateway.packing import good_zip, with_rows
from tests.gateway.test_process import process
from tests.waiting import PATIENCE_SECONDS, eventually

KEPT = ("datasets", "rows", "results", "reports", "adapters")


def kept(gateway) -> set[str]:
    """Names of the files that the gateway keeps, but for its own."""
    return {path.name for name in KEPT for path in (gateway.settings.data_dir / name).iterdir()}


async def uploaded(gateway, data: bytes | None = None) -> str:
    return (await gateway.upload(data or good_zip())).json()["file_id"]


async def completed(gateway, file_id: str, **body) -> str:
    job_id = (await gateway.train(file_id, **body)).json()["job_id"]
    await gateway.until(job_id, "completed")
    return job_id


async def purge(gateway, job_id: str):
    return await gateway.client.delete(f"/jobs/{job_id}?purge=true")


def client_of(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS)


async def job_and_file(client: httpx.AsyncClient) -> tuple[str, str]:
    """Ids of a completed job, and of the file that it trained on."""
    uploaded = await client.post("/upload-data", files={"file": ("a.zip", good_zip())})
    file_id = uploaded.json()["file_id"]
    started = await client.post("/train", json={"job_name": "a", "data_file_id": file_id})
    job_id = started.json()["job_id"]
    await client.get(f"/jobs/{job_id}/events")
    return job_id, file_id


def is_begun(data_dir: Path) -> bool:
    """Whether a gateway's process has begun a deletion and not ended it."""
    with closing(sqlite3.connect(data_dir / "gateway.sqlite3", timeout=30)) as database:
        return database.execute("SELECT count(*) FROM deletions").fetchone() != (0,)


async def begun(gateway) -> list[str]:
    """What is still being deleted."""
    store = gateway.services.deletions._store
    return [deletion.deleted_id for deletion in await store.run(store.begun)]


async def refusal(gateway, method: str, url: str) -> str:
    response = await gateway.client.request(method, url)
    assert response.status_code == 409, response.text
    [error] = response.json()["errors"]
    return error["message"]


async def test_a_file_goes_with_its_rows_and_pictures(start_gateway, on_database):
    async with start_gateway(on_database) as gateway:
        file_id = await uploaded(gateway)
        shown = (await gateway.client.get("/files")).json()[0]
        answer = await gateway.client.delete(f"/files/{file_id}")
        assert (answer.status_code, answer.json()) == (200, shown)
        for url in (f"/files/{file_id}/rows", f"/files/{file_id}/images/2"):
            assert (await gateway.client.get(url)).status_code == 404
        assert (await gateway.client.get("/files")).json() == []
        assert (kept(gateway), await begun(gateway)) == (set(), [])
        assert (await gateway.client.delete(f"/files/{file_id}")).status_code == 404
        assert (await gateway.train(file_id)).status_code == 404


async def test_equal_uploads_are_kept_for_the_last_of_them(gateway):
    first, second, other = [
        await uploaded(gateway, data) for data in (None, None, with_rows("apple1.jpg,How many?,3"))
    ]
    await gateway.client.delete(f"/files/{first}")
    rows = await gateway.client.get(f"/files/{second}/images/2")
    assert rows.status_code == 200
    await gateway.client.delete(f"/files/{second}")
    assert {Path(name).stem for name in kept(gateway)} & {first, second} == set()
    assert (await gateway.client.get(f"/files/{other}/images/2")).status_code == 200


async def test_a_file_that_is_in_use_is_refused_and_names_who_uses_it(
    start_gateway, on_database, learner
):
    async with start_gateway(on_database) as gateway:
        data, compared = await uploaded(gateway), await uploaded(gateway)
        done = await completed(gateway, data)
        learner.hold.clear()
        job = (await gateway.train(data, evaluation_file_id=compared)).json()["job_id"]
        for file_id in (data, compared):
            message = await refusal(gateway, "DELETE", f"/files/{file_id}")
            assert message.startswith(f"the job {job}, which has not ended, uses it")
        await gateway.client.delete(f"/jobs/{job}")
        asked = await gateway.client.post(f"/jobs/{done}/evaluate", json={"file_id": data})
        comparison = asked.json()["evaluation_id"]
        message = await refusal(gateway, "DELETE", f"/files/{data}")
        assert message.startswith(f"the comparison {comparison}, which has not ended, uses it")
        assert (await gateway.client.delete(f"/files/{compared}")).status_code == 200
        learner.hold.set()
        await gateway.until(comparison, "completed")
        assert (await gateway.client.delete(f"/files/{data}")).status_code == 200
        assert (await gateway.client.get(f"/jobs/{done}/download")).status_code == 200


async def test_a_job_goes_with_all_that_hangs_on_it(start_gateway, on_database, learner):
    async with start_gateway(on_database) as gateway:
        file_id = await uploaded(gateway)
        before, headers = kept(gateway), {"Idempotency-Key": "nightly"}
        job_id = await completed(gateway, file_id, evaluation_file_id=file_id, headers=headers)
        assert len(kept(gateway) - before) == 2
        shown = await gateway.job(job_id)
        answer = await purge(gateway, job_id)
        assert (answer.status_code, answer.json()) == (200, shown)
        assert (kept(gateway), await begun(gateway)) == (before, [])
        assert learner.jobs == {}
        assert (await gateway.client.get("/jobs")).json() == []
        for suffix in ("", "/events", "/metrics", "/evaluation", "/download", "/settings"):
            assert (await gateway.client.get(f"/jobs/{job_id}{suffix}")).status_code == 404
        assert (await purge(gateway, job_id)).status_code == 404
        again = await gateway.train(file_id, headers=headers)
        assert again.json()["job_id"] != job_id


async def test_a_job_that_has_not_ended_is_refused_and_goes_on(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job()
    message = await refusal(gateway, "DELETE", f"/jobs/{job_id}?purge=true")
    assert message == "it has not ended; cancel it first"
    learner.hold.set()
    await gateway.until(job_id, "completed")
    assert learner.calls["CancelJob"] == 0
    assert (await gateway.client.delete(f"/jobs/{job_id}")).json()["status"] == "completed"
    assert (await gateway.client.get(f"/jobs/{job_id}")).status_code == 200


async def test_a_job_that_another_is_to_go_on_from_is_refused(gateway, learner):
    learner.hold.clear()
    first = await gateway.start_job()
    await gateway.client.delete(f"/jobs/{first}")
    await gateway.client.get(f"/jobs/{first}/events")  # which ends with the last of it
    file_id = (await gateway.job(first))["data_file_id"]
    second = (await gateway.train(file_id, resume_from_job_id=first)).json()["job_id"]
    message = await refusal(gateway, "DELETE", f"/jobs/{first}?purge=true")
    assert message.startswith(f"the job {second}, which has not ended, goes on from it")
    learner.hold.set()
    await gateway.until(second, "completed")
    assert (await purge(gateway, first)).status_code == 200
    assert (await gateway.client.get(f"/jobs/{second}/download")).status_code == 200


async def test_a_comparison_goes_and_its_job_stays_and_the_other_way_round(gateway):
    file_id = await uploaded(gateway)
    job_id = await completed(gateway, file_id)
    ids = []
    for _ in range(2):
        asked = await gateway.client.post(f"/jobs/{job_id}/evaluate", json={"file_id": file_id})
        ids.append(asked.json()["evaluation_id"])
        await gateway.until(ids[-1], "completed")
    before = kept(gateway)
    gone = await gateway.client.delete(f"/evaluations/{ids[0]}?purge=true")
    assert (gone.status_code, gone.json()["status"]) == (200, "completed")
    assert len(before - kept(gateway)) == 2  # its report, which is its result too
    assert (await gateway.client.get(f"/evaluations/{ids[0]}")).status_code == 404
    assert (await gateway.client.get(f"/jobs/{job_id}/download")).status_code == 200
    assert (await purge(gateway, job_id)).status_code == 200
    left = (await gateway.client.get(f"/evaluations/{ids[1]}")).json()
    assert left["evaluation"]["num_samples"] == 4


async def test_what_the_learner_is_away_for_goes_when_it_is_back(gateway, learner):
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    await learner.stop()
    assert (await purge(gateway, job_id)).status_code == 200
    assert (await gateway.client.get(f"/jobs/{job_id}")).status_code == 404
    assert await begun(gateway) == [job_id]
    await learner.start()

    async def is_done() -> bool:
        return await begun(gateway) == []

    await eventually(is_done)
    assert learner.jobs == {}


async def test_what_still_runs_at_the_learner_is_ended_there(gateway, learner):
    """As where the gateway could not read a job's settings any more, and failed it."""
    learner.hold.clear()
    job_id = await gateway.start_job()
    store = gateway.services.jobs._store
    await store.run(store.end, job_id, "failed")
    assert (await purge(gateway, job_id)).status_code == 200
    await eventually(lambda: learner.jobs == {})
    assert learner.calls["CancelJob"] >= 1


@pytest.mark.parametrize("waits", ["for the learner", "for the lock"])
async def test_a_gateway_that_is_killed_in_the_middle_goes_on_at_its_next_start(
    tmp_path, settings, learner, waits
):
    data_dir = tmp_path / "data"
    async with process(data_dir, settings) as (running, port), client_of(port) as client:
        job_id, file_id = await job_and_file(client)
        what = f"/jobs/{job_id}?purge=true"
        learner.hold_deletions.clear()
        if waits == "for the lock":
            what = f"/files/{file_id}"
            lock = (data_dir / "datasets.lock").open("a")
            lock_file(lock)
        asking = asyncio.create_task(client.delete(what))
        await eventually(lambda: is_begun(data_dir))
        running.kill()
        await running.wait()
        with pytest.raises(httpx.TransportError):
            await asking
    if waits == "for the lock":
        lock.close()
    learner.hold_deletions.set()
    async with process(data_dir, settings) as (_, port), client_of(port) as client:
        await eventually(lambda: not is_begun(data_dir))
        jobs, files = [(await client.get(url)).json() for url in ("/jobs", "/files")]
        if waits == "for the lock":
            assert (len(jobs), files) == (1, [])
            assert list((data_dir / "datasets").iterdir()) == []
            assert list((data_dir / "rows").iterdir()) == []
        else:
            assert (jobs, len(files), learner.jobs) == ([], 1, {})
            assert list((data_dir / "results").iterdir()) == []


async def test_uploads_that_come_while_equal_ones_go_keep_their_data(gateway):
    async def upload_and_look() -> None:
        file_id = await uploaded(gateway)
        assert (await gateway.client.get(f"/files/{file_id}/images/2")).status_code == 200
        assert (await gateway.client.delete(f"/files/{file_id}")).status_code == 200

    await asyncio.gather(*[upload_and_look() for _ in range(24)])
    assert kept(gateway) == set()


async def test_a_job_and_the_deletion_of_its_file_do_not_both_succeed(
    start_gateway, on_database, learner
):
    learner.hold.clear()
    async with start_gateway(on_database) as gateway:
        for _ in range(5):
            file_id = await uploaded(gateway)
            started, deleted = await asyncio.gather(
                gateway.train(file_id), gateway.client.delete(f"/files/{file_id}")
            )
            assert (started.status_code, deleted.status_code) in ((200, 409), (404, 200))
