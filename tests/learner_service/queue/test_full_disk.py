"""A full disk: a clear error, and everything that was acknowledged still there."""

import uuid
from pathlib import Path

import pytest
from sqlalchemy import text

from learner_service.blobs.blob_store import BlobStore
from learner_service.events import JobStatus, Notice
from learner_service.models import ModelList
from learner_service.queue.hosts import Hosts
from learner_service.queue.job_store import JobStore
from learner_service.queue.jobs import Jobs
from learner_service.queue.local_placement import LocalPlacement
from learner_service.queue.worker_links import WorkerLinks
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec
from tally.rpc.errors import ResourceExhausted
from tests.learner_service.queue.stores import open_store
from tests.small_disk import small_disk


def set_most_pages(store: JobStore, number: int) -> None:
    with store._database.reading() as session:
        session.execute(text(f"PRAGMA max_page_count = {number}"))


def fill(store: JobStore) -> None:
    for _ in range(1000):
        store.append("one", Notice(message="x" * 2000))


def test_a_full_database_says_so_and_keeps_what_it_acknowledged(tmp_path: Path):
    store = open_store(tmp_path)
    store.create("one", JobSpec(dataset_digest="a" * 64, base_model="small"))
    set_most_pages(store, 40)  # SQLite's own "disk is full"
    with pytest.raises(ResourceExhausted, match="no room"):
        fill(store)
    written = len(store.events("one", 0))
    assert written == store.get("one").last_seq > 0
    set_most_pages(store, 4000)
    assert store.append("one", Notice(message="room again"))
    store.close()


async def fill_log(jobs: Jobs, job_id: str) -> None:
    for _ in range(1000):
        await jobs._log(job_id, Notice(message="x" * 2000))


async def test_a_job_can_be_cancelled_on_a_full_disk(tmp_path: Path):
    with small_disk(tmp_path / "disk") as disk:
        store, blobs = open_store(disk.path), BlobStore(disk.path / "blobs")
        settings = LearnerSettings(data_dir=disk.path)
        placement = LocalPlacement(settings, Hosts(), WorkerLinks())
        jobs = Jobs(settings, store, blobs, ModelList(["small"]), placement)
        spec = JobSpec(dataset_digest=blobs.put_bytes(b"data"), base_model="small")
        job = store.create(str(uuid.uuid4()), spec)
        jobs._reserve.fill()
        disk.fill()
        with pytest.raises(ResourceExhausted, match="no room"):
            await fill_log(jobs, job.job_id)
        assert (await jobs.cancel(job.job_id)).status is JobStatus.CANCELLED
        store.close()
