"""A gateway on a data folder that an earlier one left."""

import io
import zipfile

import pytest

from tests.gateway.event_text import parse_events
from tests.old_data.archives import JOBS, unpack


@pytest.mark.parametrize("commit", JOBS)
async def test_what_an_earlier_gateway_stored_is_there(commit, start_gateway, settings, learner):
    learner.hold.clear()
    jobs = unpack(commit, settings.data_dir.parent)
    old = settings.model_copy(update={"data_dir": settings.data_dir.parent / "gateway"})
    async with start_gateway(old) as gateway:
        listed = (await gateway.client.get("/jobs")).json()
        assert {job["job_id"] for job in listed} == set(jobs)
        for job_id, status, step in (
            (jobs.completed, "completed", 4),
            (jobs.cancelled, "cancelled", 3),
            (jobs.interrupted, "training", 3),
        ):
            job = await gateway.job(job_id)
            assert (job["status"], job["current_step"]) == (status, step)
            assert job["created_at"] <= job["started_at"]
            assert (job["ended_at"] is not None) == (status != "training")
            assert (job["tags"], job["notes"]) == ([], "")
        events = parse_events((await gateway.client.get(f"/jobs/{jobs.completed}/events")).text)
        assert [seq for seq, _, _ in events] == list(range(1, 22))
        assert [event["step"] for _, kind, event in events if kind == "step"] == [1, 2, 3, 4]
        download = await gateway.client.get(f"/jobs/{jobs.completed}/download")
        with zipfile.ZipFile(io.BytesIO(download.content)) as archive:
            assert archive.testzip() is None
            assert "adapter_model.safetensors" in archive.namelist()
        [file] = (await gateway.client.get("/files")).json()
        rows = (await gateway.client.get(f"/files/{file['file_id']}/rows")).json()["rows"]
        assert len(rows) == file["csv_rows"]
        url = f"/files/{file['file_id']}/images/{rows[-1]['row']}"
        assert (await gateway.client.get(url)).status_code == 200
        again = (await gateway.client.get(f"/jobs/{jobs.cancelled}/settings")).json()
        key = {"Idempotency-Key": "cancelled"}
        answer = await gateway.client.post("/train", json=again, headers=key)
        assert answer.json()["job_id"] == jobs.cancelled
