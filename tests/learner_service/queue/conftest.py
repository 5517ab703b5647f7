"""A queue whose workers are made up."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.models import ModelList
from learner_service.queue import job_processes
from learner_service.queue.hosts import Hosts
from learner_service.queue.jobs import Jobs
from learner_service.queue.local_placement import LocalPlacement
from learner_service.queue.worker_links import WorkerLinks
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec
from tests.learner_service.queue.scripted_workers import ScriptedWorkers
from tests.learner_service.queue.stores import open_store


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> ScriptedWorkers:
    workers = ScriptedWorkers()
    monkeypatch.setattr(job_processes, "WorkerProcess", workers)
    return workers


@pytest.fixture
def queue_settings() -> dict[str, object]:
    """Those that a test changes."""
    return {}


@pytest.fixture
async def jobs(
    tmp_path: Path,
    store: BlobStore,
    workers: ScriptedWorkers,
    store_address: dict[str, object],
    queue_settings: dict[str, object],
) -> AsyncIterator[Jobs]:
    settings = LearnerSettings(data_dir=tmp_path, max_attempts=2, **queue_settings)
    job_store = open_store(tmp_path, **store_address)
    placement = LocalPlacement(settings, Hosts(), WorkerLinks())
    jobs = Jobs(settings, job_store, store, ModelList(["small"]), placement)
    running = asyncio.create_task(jobs.run())
    yield jobs
    await jobs.stop()
    await running
    job_store.close()


@pytest.fixture
def spec(store: BlobStore) -> JobSpec:
    return JobSpec(dataset_digest=store.put_bytes(b"data"), base_model="small")
