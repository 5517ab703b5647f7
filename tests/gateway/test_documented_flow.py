"""The user's document, followed to the letter."""

import io
import re
import zipfile

from tests.gateway.packing import good_zip

DOCUMENTED_KEYS = {"file_id", "filename", "upload_time", "csv_rows", "valid_images"}
MORE_KEYS = {"kind", "warnings", "skipped_rows", "skipped"}
JOB_TYPES = {
    "tags": list,
    "notes": str,
    "job_id": str,
    "job_name": str,
    "status": str,
    "progress": float,
    "current_step": int,
    "total_steps": int,
    "loss": float,
    "created_at": str,
    "started_at": str,
    "ended_at": str,
    "error_message": type(None),
    "output_dir": str,
    "phase": type(None),
    "resumed_from_job_id": type(None),
    "best_step": type(None),
    "end_reason": type(None),
    "warning": type(None),
    "data_file_id": str,
    "evaluation_file_id": type(None),
    "adapter_job_id": type(None),
    "adapter_file_id": type(None),
    "checkpoints": list,
    "priority": int,
    "queue_position": type(None),
    "estimated_start": type(None),
}


async def test_upload_answers_the_documented_keys(gateway):
    response = await gateway.upload(good_zip())
    body = response.json()
    assert response.status_code == 200, body
    assert set(body) == DOCUMENTED_KEYS | MORE_KEYS
    assert body["filename"] == "training_data.zip"
    assert (body["csv_rows"], body["valid_images"], body["warnings"]) == (2, 2, [])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", body["upload_time"])
    assert (body["skipped_rows"], body.pop("skipped")) == (0, [])
    assert (await gateway.client.get("/files")).json() == [body]


async def test_the_example_of_the_document_trains_and_downloads(gateway, learner):
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    body = {
        "job_name": "apple_counting_model",
        "data_file_id": file_id,
        "training_config": {"num_epochs": 30, "learning_rate": 5e-5, "batch_size": 1},
    }
    response = await gateway.client.post("/train", json=body)
    assert response.status_code == 200, response.text
    job = await gateway.until(response.json()["job_id"], "completed")
    assert {key: type(value) for key, value in job.items()} == JOB_TYPES
    assert (job["progress"], job["current_step"], job["total_steps"]) == (100.0, 3, 3)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", job["created_at"])
    download = await gateway.client.get(f"/jobs/{job['job_id']}/download")
    assert 'filename="apple_counting_model.zip"' in download.headers["content-disposition"]
    names = zipfile.ZipFile(io.BytesIO(download.content)).namelist()
    assert "adapter_model.safetensors" in names
    train = learner.jobs[job["job_id"]].spec.train
    assert (train.config.num_epochs, train.config.num_generations) == (30, 8)
    assert (train.config.seed, train.config.use_4bit, train.lora.r) == (43, True, 64)
