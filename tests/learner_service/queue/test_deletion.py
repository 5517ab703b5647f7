"""Jobs that are deleted: their rows, folders and blobs, and what others need of these."""

import os
import subprocess
import sys
import time
import uuid
from functools import partial
from pathlib import Path

import alembic.command
import pytest

from learner_service.blob_settings import BlobSettings
from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import JobInUse, NotYet, UnknownJob
from learner_service.events import EvaluationDone, JobEnded, JobStatus
from learner_service.job_folder.layout import JobFolder
from learner_service.queue.job_deletion import JobDeletion
from learner_service.queue.job_store import Job
from learner_service.queue.jobs import Jobs
from learner_service.queue.unclaimed_blobs import UnclaimedBlobs
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec
from tally.job.comparison import EvaluationScores
from tests.learner_service.queue.scripted_workers import (
    cancelled_at,
    fresh,
    resuming,
    run_job,
)
from tests.learner_service.queue.stores import open_store
from tests.waiting import eventually

OLD_SECONDS = 7200


def add_blobs(jobs: Jobs, store: BlobStore, job: Job, *names: str) -> list[str]:
    """Of a job: adapters that it has published."""
    digests = [store.put_bytes(name.encode()) for name in names]
    for digest in digests:
        jobs.folder(job.job_id).adapters.add(digest)
        store.claim(digest, job.job_id)
    return digests


async def left_alone(jobs: Jobs) -> None:
    """Returns once no job has its turn."""
    await eventually(lambda: not jobs._queue.running)


def grow_old(store: BlobStore, *digests: str) -> None:
    for digest in digests:
        put = time.time() - OLD_SECONDS
        os.utime(store.path(digest), (put, put))


async def test_a_job_goes_with_its_rows_its_folder_and_its_blobs(jobs, workers, spec, store):
    jobs.claim_blobs()
    job = await cancelled_at(jobs, workers, spec, 5)
    await left_alone(jobs)
    adapters = add_blobs(jobs, store, job, "adapter")
    assert await jobs.delete(job.job_id) is True
    with pytest.raises(UnknownJob):
        await jobs.get(job.job_id)
    assert jobs._store.events(job.job_id, 0) == []
    assert not jobs.folder(job.job_id).path.exists()
    assert [store.size_bytes(one) for one in adapters] == [None]
    grow_old(store, spec.dataset_digest)  # which nobody needs any more
    store.delete_unclaimed(OLD_SECONDS / 2)
    assert store.size_bytes(spec.dataset_digest) is None
    assert jobs._store.deletions() == {}
    assert await jobs.delete(job.job_id) is False


async def test_what_another_job_needs_stays(jobs, workers, spec, store):
    jobs.claim_blobs()
    first = await cancelled_at(jobs, workers, spec, 5)
    workers.script = ["completes"]
    second, _ = await run_job(jobs, spec)
    await left_alone(jobs)
    [shared] = add_blobs(jobs, store, first, "shared")
    add_blobs(jobs, store, second, "shared")
    workers.script = ["waits"]
    running = await jobs.start(str(uuid.uuid4()), fresh(spec))
    assert second.resumed_from_job_id == first.job_id
    assert await jobs.delete(first.job_id)
    assert None not in (store.size_bytes(shared), store.size_bytes(spec.dataset_digest))
    assert (await jobs.get(second.job_id)).resumed_from_job_id == first.job_id
    await jobs.cancel(running.job_id)
    await left_alone(jobs)
    assert await jobs.delete(second.job_id)
    assert store.size_bytes(shared) is None


async def test_a_job_that_is_needed_or_not_done_is_refused(jobs, workers, spec):
    with pytest.raises(NotYet):
        await jobs.delete(str(uuid.uuid4()))
    jobs.claim_blobs()
    named = await cancelled_at(jobs, workers, spec, 5)
    await left_alone(jobs)
    workers.started.clear()
    workers.script = ["waits", "completes"]
    running = await jobs.start(str(uuid.uuid4()), fresh(spec))
    await workers.started.wait()
    with pytest.raises(JobInUse, match="has not ended; cancel it first"):
        await jobs.delete(running.job_id)
    later = await jobs.start(str(uuid.uuid4()), resuming(spec, named))
    with pytest.raises(JobInUse, match=f"{later.job_id}, which has not ended, goes on from it"):
        await jobs.delete(named.job_id)
    await jobs.cancel(running.job_id)
    await eventually(lambda: jobs._store.get(later.job_id).status.ended)
    await left_alone(jobs)
    assert workers.went_on_from[-1] == 5
    assert await jobs.delete(named.job_id)


async def test_a_job_that_goes_before_its_turn_ends_no_queue(jobs, workers, spec):
    jobs.claim_blobs()
    gone = jobs._store.create("gone", spec)
    jobs._store.append("gone", JobEnded(status=JobStatus.CANCELLED))
    await jobs.delete("gone")
    room = jobs._queue._placement.acquire(spec)
    jobs._queue.running.start(gone, room)  # which was read from the queue before
    workers.script = ["completes"]
    job, _ = await run_job(jobs, spec)
    assert job.status is JobStatus.COMPLETED


async def test_a_start_claims_results_and_reports_and_not_the_data_of_what_has_ended(
    jobs, workers, spec, store
):
    workers.script = ["waits without saving"]
    result, report = store.put_bytes(b"result"), store.put_bytes(b"report")
    job = jobs._store.create("one", spec)
    scores = EvaluationScores(exact_rate=0.5)
    done = EvaluationDone(num_samples=1, base=scores, adapter=scores, report_digest=report)
    for event in (done, JobEnded(status=JobStatus.COMPLETED, result_digest=result)):
        jobs._store.append("one", event)
    unused = store.put_bytes(b"put and never used")
    grow_old(store, result, report, unused, spec.dataset_digest)
    store.sweep()
    jobs.claim_blobs()  # the data has an hour from here
    store.delete_unclaimed(OLD_SECONDS / 2)
    kept = [store.size_bytes(one) for one in (result, report, unused, spec.dataset_digest)]
    assert kept == [6, 6, None, 4]
    grow_old(store, job.spec.dataset_digest)
    store.delete_unclaimed(OLD_SECONDS / 2)
    assert store.size_bytes(spec.dataset_digest) is None


def test_what_is_put_again_is_young_and_what_is_claimed_is_kept(store: BlobStore):
    claimed, again, other = [store.put_bytes(name) for name in (b"claimed", b"again", b"other")]
    grow_old(store, claimed, again, other)
    store.claim(claimed, "one")
    store.put_bytes(b"again")
    store.delete_unclaimed(OLD_SECONDS / 2)
    assert [store.size_bytes(one) for one in (claimed, again, other)] == [7, 5, None]


def test_a_database_of_elsewhere_costs_no_blob(tmp_path: Path, store: BlobStore):
    blob = store.put_bytes(b"of a job that the database lacks")
    grow_old(store, blob)
    JobFolder.of_job(tmp_path, "lacking").path.mkdir(parents=True)
    job_store = open_store(tmp_path)
    settings = LearnerSettings(data_dir=tmp_path, blobs=BlobSettings(unclaimed_seconds=1))
    UnclaimedBlobs(settings, job_store, store).sweep_if_due()
    assert store.size_bytes(blob) is not None
    JobFolder.of_job(tmp_path, "lacking").path.rmdir()
    UnclaimedBlobs(settings, job_store, store).sweep_if_due(running_seconds=2 * OLD_SECONDS)
    assert store.size_bytes(blob) is not None  # which a job that runs may need
    UnclaimedBlobs(settings, job_store, store).sweep_if_due(running_seconds=OLD_SECONDS / 2)
    assert store.size_bytes(blob) is None
    job_store.close()


DELETE = """
import shutil, sys, os, signal
from pathlib import Path
from learner_service.blobs.blob_store import BlobStore
from learner_service.job_folder.layout import JobFolder
from learner_service.queue import job_deletion
from tests.learner_service.queue.stores import open_store
folder, point = Path(sys.argv[1]), sys.argv[2]
store, blobs = open_store(folder), BlobStore(folder / "blobs")
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
if point == "folder": job_deletion.shutil.rmtree = die
if point == "blobs": blobs.release = die
if point == "row": store.end_deletion = die
of_job = lambda job_id: JobFolder.of_job(folder, job_id)
is_busy = lambda job_id: False
job_deletion.JobDeletion(store, blobs, of_job, is_busy).delete("one")
"""


@pytest.mark.parametrize("point", ["folder", "blobs", "row"])
def test_a_deletion_that_was_killed_is_ended_at_the_next_start(
    tmp_path: Path, store: BlobStore, point: str
):
    spec = JobSpec(dataset_digest="a" * 64, base_model="small")
    job_store, folder = open_store(tmp_path), JobFolder.of_job(tmp_path, "one")
    job_store.create("one", spec)
    job_store.append("one", JobEnded(status=JobStatus.CANCELLED))
    job_store.close()
    folder.prepare()
    folder.adapters.add(store.put_bytes(b"adapter"))
    killed = subprocess.run([sys.executable, "-c", DELETE, str(tmp_path), point], check=False)
    assert killed.returncode == -9
    job_store = open_store(tmp_path)
    assert (job_store.find("one"), list(job_store.deletions())) == (None, ["one"])
    store.sweep()
    of_job = partial(JobFolder.of_job, tmp_path)
    JobDeletion(job_store, store, of_job, lambda job_id: False).finish_all()
    assert (job_store.deletions(), folder.path.exists()) == ({}, False)
    assert list(store.root.glob("??/*")) == []
    job_store.close()


def test_the_report_of_an_older_job_is_known_after_the_upgrade(
    tmp_path: Path, store_address: dict[str, object]
):
    store = open_store(tmp_path, **store_address)
    for job_id, report in (("one", "e" * 64), ("two", "")):
        store.create(job_id, JobSpec(dataset_digest="a" * 64, base_model="small"))
        scores = EvaluationScores(exact_rate=0.5)
        done = EvaluationDone(num_samples=1, base=scores, adapter=scores, report_digest=report)
        store.append(job_id, done)
    with store._database.migrating() as config:
        alembic.command.downgrade(config, "0001")
    store._database.migrate()
    assert [store.get(job_id).report_digest for job_id in ("one", "two")] == ["e" * 64, ""]
    store.close()
