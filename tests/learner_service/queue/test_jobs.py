"""The queue with workers that are made up: what becomes of a job whose workers are lost."""

import asyncio
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import InvalidSpec, JobExists, MissingDataset, NotResumable
from learner_service.events import JobStatus, Notice
from learner_service.models import ModelList
from learner_service.queue import job_runner
from learner_service.queue.hosts import Host, Hosts
from learner_service.queue.jobs import Jobs
from learner_service.queue.local_placement import LocalPlacement
from learner_service.queue.worker_links import WorkerLinks
from learner_service.rendezvous_settings import RendezvousSettings
from learner_service.settings import LearnerSettings
from learner_service.spec import Evaluation, JobSpec, Training
from tally.job.settings import LoraConfig, TrainingConfig
from tests.learner_service.queue.scripted_workers import (
    COMPLETED,
    ScriptedWorkers,
    cancelled_at,
    fresh,
    resuming,
    run_job,
    save_checkpoint,
)
from tests.learner_service.queue.stores import open_store
from tests.waiting import PATIENCE_SECONDS, eventually


async def test_a_lost_worker_is_followed_by_another(jobs: Jobs, workers, spec: JobSpec):
    workers.script = ["is killed", "completes"]
    job, events = await run_job(jobs, spec)
    assert (job.status, events[-1]) == (JobStatus.COMPLETED, COMPLETED)
    assert [task.attempt for task in workers.tasks] == [1, 2]
    assert isinstance(events[0], Notice)
    assert "memory ran out" in events[0].message


async def test_a_job_fails_once_too_many_were_lost_without_progress(jobs, workers, spec):
    workers.script = ["is killed", "saves", "is killed"]
    job, _ = await run_job(jobs, spec)
    assert job.status is JobStatus.FAILED
    assert len(workers.tasks) == 3


async def test_a_worker_that_gives_up_for_good_ends_the_job(jobs, workers, spec):
    workers.script = ["gives up"]
    job, _ = await run_job(jobs, spec)
    assert (job.status, job.error_message) == (JobStatus.FAILED, "the data is no data")


async def test_a_job_like_a_cancelled_one_goes_on_from_its_checkpoint(jobs, workers, spec):
    workers.script = ["waits", "completes"]
    first = await jobs.start(str(uuid.uuid4()), spec)
    await workers.started.wait()
    await jobs.cancel(first.job_id)
    second, _ = await run_job(jobs, spec)
    assert second.resumed_from_job_id == first.job_id
    assert workers.went_on_from == [0, 1]


async def test_a_job_goes_on_from_the_furthest_of_its_equals(jobs, workers, spec):
    await cancelled_at(jobs, workers, fresh(spec), 5)
    furthest = await cancelled_at(jobs, workers, fresh(spec), 28)
    await cancelled_at(jobs, workers, fresh(spec), 0)
    await cancelled_at(jobs, workers, fresh(spec), 1)
    workers.script = ["completes"]
    job, _ = await run_job(jobs, spec)
    assert job.resumed_from_job_id == furthest.job_id
    assert workers.went_on_from[-1] == 28


async def test_a_job_of_another_owner_is_never_gone_on_from(jobs, workers, spec):
    alices = await cancelled_at(jobs, workers, spec.model_copy(update={"owner": "alice"}), 5)
    workers.script = ["completes"]
    bobs, _ = await run_job(jobs, spec.model_copy(update={"owner": "bob"}))
    nobodys, _ = await run_job(jobs, spec)
    assert (bobs.resumed_from_job_id, nobodys.resumed_from_job_id) == ("", "")
    with pytest.raises(NotResumable, match="another owner"):
        await jobs.start(str(uuid.uuid4()), resuming(spec, alices))


async def test_the_job_that_is_named_is_the_one_that_is_resumed(jobs, workers, spec):
    named = await cancelled_at(jobs, workers, fresh(spec), 5)
    await cancelled_at(jobs, workers, fresh(spec), 28)
    workers.script = ["completes"]
    job, _ = await run_job(jobs, resuming(spec, named))
    assert job.resumed_from_job_id == named.job_id
    assert workers.went_on_from[-1] == 5


async def test_a_fresh_job_goes_on_from_none(jobs, workers, spec):
    await cancelled_at(jobs, workers, spec, 5)
    workers.script = ["completes"]
    job, _ = await run_job(jobs, fresh(spec))
    assert job.resumed_from_job_id == ""
    assert jobs.folder(job.job_id).checkpoints.find_last().path is None


async def test_a_job_that_cannot_be_resumed_is_refused_with_the_reason(jobs, workers, spec):
    empty = await cancelled_at(jobs, workers, spec, 0)
    workers.script = ["completes"]
    completed, _ = await run_job(jobs, fresh(spec))
    config = TrainingConfig(learning_rate=0.5)
    other = spec.model_copy(update={"work": Training(config=config, lora=LoraConfig(r=3))})
    unlike = await cancelled_at(jobs, workers, other, 3)
    for job, reason in (
        (empty, "no whole checkpoint"),
        (completed, "is completed"),
        (unlike, "another learning_rate, r;"),
        (replace(empty, job_id="unknown"), "no such job"),
    ):
        with pytest.raises(NotResumable, match=f"resume_from_job_id: .*{reason}"):
            await jobs.start(str(uuid.uuid4()), resuming(spec, job))


async def test_a_kill_while_a_checkpoint_is_taken_over_loses_nothing(jobs, workers, spec):
    earlier = await cancelled_at(jobs, workers, spec, 5)
    job = await jobs.get(earlier.job_id)
    staged = jobs.folder("later").path.with_name("later.staged")
    (staged / "checkpoints" / "checkpoint-5").mkdir(parents=True)  # as a kill leaves it
    later = jobs.folder("later")
    assert not later.is_prepared
    checkpoint = jobs.folder(job.job_id).checkpoints.find_last().path
    later.prepare(jobs.folder(job.job_id), checkpoint)
    assert later.is_prepared
    assert later.checkpoints.find_last().step == 5
    assert not staged.exists()


async def test_a_job_whose_model_is_gone_fails_and_the_next_one_runs(jobs, workers, spec):
    gone = spec.model_copy(update={"base_model": "gone"})
    jobs._store.create("gone", gone)  # as an earlier learner left it
    workers.script = ["completes"]
    job, _ = await run_job(jobs, spec)
    assert job.status is JobStatus.COMPLETED
    failed = await jobs.get("gone")
    assert failed.status is JobStatus.FAILED
    assert "expected one of small" in failed.error_message


async def test_a_fault_of_the_learner_that_stays_fails_the_job_alone(
    jobs, workers, spec, monkeypatch
):
    monkeypatch.setattr(job_runner, "_PAUSE_SECONDS", 0)
    workers.script = ["breaks", "breaks", "completes"]
    broken, _ = await run_job(jobs, spec)
    assert broken.status is JobStatus.FAILED
    assert "the learner failed with RuntimeError: broken" in broken.error_message
    job, _ = await run_job(jobs, fresh(spec))
    assert job.status is JobStatus.COMPLETED


async def test_what_a_superseded_worker_says_is_not_logged(jobs, workers, spec):
    workers.script = ["is superseded"] * 2
    job, _ = await run_job(jobs, spec)
    assert job.status is JobStatus.FAILED
    assert [task.attempt for task in workers.tasks] == [1, 3]


async def test_a_worker_on_a_full_disk_is_no_lost_worker(jobs, workers, spec, monkeypatch):
    monkeypatch.setattr(job_runner, "_PAUSE_SECONDS", 0)
    workers.script = ["lacks room"] * 4 + ["completes"]
    job, _ = await run_job(jobs, spec)
    assert job.status is JobStatus.COMPLETED
    assert len(workers.tasks) == 5


async def test_an_end_that_the_service_did_not_live_to_see_to_is_tidied_up_at_its_start(
    jobs, workers, spec, store
):
    workers.script = ["saves", "completes"]
    job, _ = await run_job(jobs, spec)
    await eventually(lambda: not jobs._queue.running)
    folder = jobs.folder(job.job_id)
    save_checkpoint(folder, 7)
    (folder.staging / "1").mkdir()
    for path in (folder.result_archive, folder.path / "published.txt.staged"):
        path.touch()
    old, last = store.put_bytes(b"old"), store.put_bytes(b"last")
    for digest in (old, last):
        folder.adapters.add(digest)
    store.sweep()
    jobs.claim_blobs()
    assert {path.name for path in folder.path.iterdir()} == {
        "attempt", "checkpoints", "published.txt",
    }  # fmt: skip
    assert list(folder.checkpoints.path.iterdir()) == []
    assert (store.size_bytes(old), store.size_bytes(last)) == (None, 4)


async def test_a_job_that_may_be_gone_on_from_keeps_its_checkpoint(jobs, workers, spec):
    job = await cancelled_at(jobs, workers, spec, 5)
    await jobs.stop()
    jobs.claim_blobs()
    assert jobs.folder(job.job_id).checkpoints.find_last().step == 5


async def test_an_adapter_stays_for_the_job_that_published_it_too(jobs, workers, spec, store):
    adapter = store.put_bytes(b"adapter")
    first = await cancelled_at(jobs, workers, spec, 5)
    jobs.folder(first.job_id).adapters.add(adapter)
    store.sweep()
    jobs.claim_blobs()  # as at a start
    workers.script = ["completes"]
    later, _ = await run_job(jobs, fresh(spec))
    for digest in (adapter, store.put_bytes(b"later")):
        jobs.folder(later.job_id).adapters.add(digest)
        store.claim(digest, later.job_id)
    jobs._ended_jobs.tidy(later)
    assert store.size_bytes(adapter) is not None
    assert jobs.folder(later.job_id).adapters.digests() == [store.put_bytes(b"later")]


@pytest.mark.parametrize("kind", [Evaluation, Training])
async def test_the_adapter_that_jobs_were_given_goes_with_the_last_of_them(
    jobs, workers, spec, store, kind: type[Evaluation | Training]
):
    adapter = store.put_bytes(b"adapter")
    given = spec.model_copy(update={"work": kind(adapter_digest=adapter)})
    workers.script = ["waits without saving", "completes"]
    first = await jobs.start(str(uuid.uuid4()), given)
    await workers.started.wait()
    second = await jobs.start(str(uuid.uuid4()), given)
    await jobs.cancel(first.job_id)
    await eventually(lambda: store.size_bytes(adapter) is None)
    assert (await jobs.get(second.job_id)).status is JobStatus.COMPLETED


async def test_what_a_job_was_given_and_published_again_stays_as_its_own(
    jobs, workers, spec, store
):
    adapter = store.put_bytes(b"adapter")
    workers.script = ["waits without saving"]
    work = Training(adapter_digest=adapter)
    job = await jobs.start(str(uuid.uuid4()), spec.model_copy(update={"work": work}))
    await workers.started.wait()
    jobs.folder(job.job_id).adapters.add(adapter)
    await jobs.cancel(job.job_id)
    await eventually(lambda: job.job_id not in jobs._queue.running)
    assert store.size_bytes(adapter) is not None
    jobs.claim_blobs()
    assert await jobs.delete(job.job_id)
    assert store.size_bytes(adapter) is None


async def test_a_start_is_idempotent_and_refuses_another_spec(jobs, workers, spec):
    workers.script = ["completes"]
    job, _ = await run_job(jobs, spec)
    assert (await jobs.start(job.job_id, spec)).number == job.number
    other = spec.model_copy(update={"job_name": "another"})
    with pytest.raises(JobExists):
        await jobs.start(job.job_id, other)
    missing = spec.model_copy(update={"dataset_digest": "f" * 64})
    with pytest.raises(MissingDataset, match="dataset_digest"):
        await jobs.start(str(uuid.uuid4()), missing)


async def test_more_processes_than_the_learner_has_are_refused(jobs, workers, spec):
    work = Training(config=TrainingConfig(processes=3))
    with pytest.raises(InvalidSpec, match=r"config.processes: .* expected at most 1, or 0"):
        await jobs.start(str(uuid.uuid4()), spec.model_copy(update={"work": work}))


class WaitedForHosts(Hosts):
    """None ever comes; `waiting` is set once one is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = asyncio.Event()

    async def wait_for(self, number: int, wait_seconds: float, is_over) -> list[Host]:
        self.waiting.set()
        return await super().wait_for(number, wait_seconds, is_over)


async def test_a_job_that_ends_while_hosts_are_waited_for_starts_no_worker(
    tmp_path: Path, store: BlobStore, workers: ScriptedWorkers, spec: JobSpec
):
    settings = LearnerSettings(
        data_dir=tmp_path,
        nodes_per_job=2,
        rendezvous=RendezvousSettings(address="192.0.2.1"),
        host_wait_seconds=PATIENCE_SECONDS,
    )
    job_store, hosts = open_store(tmp_path), WaitedForHosts()
    placement = LocalPlacement(settings, hosts, WorkerLinks())
    jobs = Jobs(settings, job_store, store, ModelList(["small"]), placement)
    running = asyncio.create_task(jobs.run())
    job = await jobs.start(str(uuid.uuid4()), spec)
    await hosts.waiting.wait()
    await jobs.cancel(job.job_id)
    await jobs.stop()
    await running
    job_store.close()
    assert not workers.tasks
