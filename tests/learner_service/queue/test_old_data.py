"""A job store and job folders that an earlier learner left."""

from pathlib import Path

import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.events import JobEnded, JobStatus, StepDone
from learner_service.job_folder.layout import JobFolder
from learner_service.queue.earlier_jobs import EarlierJobs
from tests.learner_service.queue.stores import open_store
from tests.old_data.archives import JOBS, unpack


@pytest.mark.parametrize("commit", JOBS)
def test_the_jobs_of_an_earlier_learner_are_there_and_can_be_gone_on_from(
    commit: str, tmp_path: Path
):
    jobs, data_dir = unpack(commit, tmp_path), tmp_path / "learner"
    store = open_store(data_dir)
    assert {job.job_id for job in store.all()} == set(jobs)
    assert [job.job_id for job in store.unfinished()] == [jobs.interrupted]
    events = [logged.event for logged in store.events(jobs.completed, 0)]
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2, 3, 4]
    assert events[-1] == JobEnded(
        status=JobStatus.COMPLETED, result_digest=store.get(jobs.completed).result_digest
    )
    interrupted = JobFolder.of_job(data_dir, jobs.interrupted)
    assert interrupted.is_prepared
    assert interrupted.checkpoints.find_last().step == 4
    cancelled = store.get(jobs.cancelled)
    found = EarlierJobs(store, lambda job_id: JobFolder.of_job(data_dir, job_id)).find(
        store.create("the same again", cancelled.spec)
    )
    assert (found.job.job_id, found.step) == (jobs.cancelled, 3)
    blobs = BlobStore(data_dir / "blobs")
    for job in store.all()[1:]:
        for digest in [job.spec.dataset_digest, *filter(None, [job.result_digest])]:
            assert blobs.size_bytes(digest), job
    store.close()
