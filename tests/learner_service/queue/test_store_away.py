"""A job whose database is locked, frozen or restarted under it: bounded refusals, no event lost."""

import asyncio
import sqlite3
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import StoreUnavailable
from learner_service.events import (
    Event,
    JobEnded,
    JobPhase,
    JobStatus,
    Notice,
    PhaseChanged,
    StepDone,
)
from learner_service.models import ModelList
from learner_service.queue import job_processes
from learner_service.queue.hosts import Hosts
from learner_service.queue.job_store import LoggedEvent
from learner_service.queue.jobs import Jobs
from learner_service.queue.local_placement import LocalPlacement
from learner_service.queue.worker_links import WorkerLinks
from learner_service.queue.worker_process import WorkerExit
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec
from tally.job.metrics import StepMetrics
from tests.learner_service.queue.stores import open_store
from tests.postgres import Postgres

STEPS = 5
SAID: list[Event] = [
    PhaseChanged(phase=JobPhase.LEARNING),
    *(StepDone(step=n, total_steps=STEPS, metrics=StepMetrics()) for n in range(1, STEPS + 1)),
    Notice(message="said once"),
    JobEnded(status=JobStatus.COMPLETED, result_digest="d" * 64),
]


class PacedWorker:
    """Stands for WorkerProcess; says one thing, and the rest once it may."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()

    def __call__(self, task, stop_seconds: float, link) -> "PacedWorker":
        return self

    async def run(self, on_event: Callable[[Event], Awaitable[None]]) -> WorkerExit:
        await on_event(SAID[0])
        await self.may_go_on.wait()
        for event in SAID[1:]:
            await on_event(event)
        return WorkerExit(code=0, failure=None)

    def stop(self) -> None:
        self.may_go_on.set()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> PacedWorker:
    worker = PacedWorker()
    monkeypatch.setattr(job_processes, "WorkerProcess", worker)
    return worker


Away = Callable[[], AbstractContextManager[None]]


@contextmanager
def frozen(postgres: Postgres) -> Iterator[None]:
    postgres.freeze()
    try:
        yield
    finally:
        postgres.thaw()


@contextmanager
def stopped(postgres: Postgres) -> Iterator[None]:
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        locker.execute("ROLLBACK")
        locker.close()


@pytest.fixture(params=["locked", "frozen", "stopped"])
def fault(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, object], Away]:
    """Settings of a store, and what takes it away for as long as it is entered."""
    if request.param == "locked":
        return {}, lambda: locked(tmp_path / "learner.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    take_away = frozen if request.param == "frozen" else stopped
    return {"database_url": postgres.create()}, lambda: take_away(postgres)


@pytest.fixture
async def jobs(
    tmp_path: Path, store: BlobStore, worker: PacedWorker, fault: tuple[dict[str, object], Away]
) -> AsyncIterator[Jobs]:
    job_store = open_store(tmp_path, database_timeout_seconds=2, **fault[0])
    settings = LearnerSettings(data_dir=tmp_path)
    placement = LocalPlacement(settings, Hosts(), WorkerLinks())
    jobs = Jobs(settings, job_store, store, ModelList(["small"]), placement)
    running = asyncio.create_task(jobs.run())
    yield jobs
    await jobs.stop()
    await running
    job_store.close()


async def watched(jobs: Jobs, job_id: str) -> list[LoggedEvent]:
    """As the gateway watches: anew from the last number, whenever the stream breaks."""
    events: list[LoggedEvent] = []
    while not events or not isinstance(events[-1].event, JobEnded):
        try:
            async for event in jobs.watch(job_id, events[-1].seq if events else 0):
                events.append(event)
        except StoreUnavailable:
            await asyncio.sleep(0.05)
    return events


async def test_a_job_goes_on_through_a_database_that_is_away(
    jobs: Jobs, worker: PacedWorker, fault: tuple[dict[str, object], Away], store: BlobStore
):
    _, away = fault
    spec = JobSpec(dataset_digest=store.put_bytes(b"data"), base_model="small")
    job = await jobs.start(str(uuid.uuid4()), spec)
    watching = asyncio.create_task(watched(jobs, job.job_id))
    stream = jobs.watch(job.job_id, 0)
    assert (await anext(stream)).event == SAID[0]
    with away():
        worker.may_go_on.set()
        # What is refused may be done after all; this changes nothing of the job.
        with pytest.raises(StoreUnavailable):
            await jobs._store.run(jobs._store.set_resumed_from, job.job_id, "")
        # The worker's event is refused by now, too, or soon.
        await asyncio.sleep(0.5)
    events = await watching
    assert [logged.event for logged in events] == SAID
    assert [logged.seq for logged in events] == list(range(1, len(SAID) + 1))
    assert (await jobs.get(job.job_id)).status is JobStatus.COMPLETED
