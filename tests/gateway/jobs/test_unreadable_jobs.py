"""Stored jobs that can't be read, or were written by another version: each alone pays for it."""

import json

import pytest
from sqlalchemy import text

from gateway.jobs.job_models import Job


def store_spec(gateway, job_id: str, spec: str, **columns: object) -> None:
    """Writes it as it is, whatever the model would say."""
    names = "".join(f", {name} = :{name}" for name in columns)
    change = text(f"UPDATE jobs SET spec = :spec{names} WHERE job_id = :job_id")
    with gateway.services.database.writing() as session:
        session.execute(change, {"job_id": job_id, "spec": spec, **columns})


@pytest.mark.parametrize("spec", ["{", "[]", "null", '{"job_name": 3}'])
async def test_one_that_cannot_be_read_spoils_no_list(gateway, spec):
    good, bad = await gateway.start_job(), await gateway.start_job()
    for job_id in (good, bad):
        await gateway.until(job_id, "completed")
    store_spec(gateway, bad, spec)
    listed = {job["job_id"]: job for job in (await gateway.client.get("/jobs")).json()}
    assert set(listed) == {good, bad}
    assert listed[bad]["data_file_id"] == ""
    assert (await gateway.client.get(f"/jobs/{bad}/metrics")).status_code == 200
    assert (await gateway.client.get(f"/jobs/{bad}/download")).status_code == 200
    refused = await gateway.client.get(f"/jobs/{bad}/settings")
    assert refused.status_code == 409
    assert "start it anew" in refused.json()["detail"]
    assert (await gateway.client.get(f"/jobs/{good}/settings")).status_code == 200


async def test_one_that_waits_for_the_learner_fails_with_a_sentence(start_gateway, settings):
    async with start_gateway(settings) as gateway:
        job_id = await gateway.start_job()
        await gateway.until(job_id, "completed")
        with gateway.services.database.writing() as session:
            session.execute(text("DELETE FROM job_events"))
        waiting = {"status": "training", "accepted": False, "log_complete": False, "last_seq": 0}
        store_spec(gateway, job_id, "[]", **waiting)
    async with start_gateway(settings) as gateway:
        job = await gateway.until(job_id, "failed")
        assert "written by another version" in job["error_message"]
        other = await gateway.start_job()
        await gateway.until(other, "completed")


async def test_settings_that_are_gone_or_new_cost_nothing(gateway):
    job_id = await gateway.start_job(headers={"Idempotency-Key": "a"})
    await gateway.until(job_id, "completed")
    job: Job = await gateway.services.jobs.get(job_id)
    spec = json.loads(json.dumps(job.spec))
    spec["training_config"]["gone_since"] = spec["training_config"].pop("seed")
    spec["gone_too"] = 1
    store_spec(gateway, job_id, json.dumps(spec))
    settings = (await gateway.client.get(f"/jobs/{job_id}/settings")).json()
    assert settings["training_config"]["seed"] == 43
    file_id = spec["data_file_id"]
    again = await gateway.train(file_id, headers={"Idempotency-Key": "a"})
    assert (again.status_code, again.json()["job_id"]) == (200, job_id)
