"""A worker as a process, from the service's side."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.job_folder.task import WorkerTask
from learner_service.queue import worker_process
from learner_service.queue.job_processes import JobProcesses
from learner_service.queue.worker_links import WorkerLinks
from learner_service.worker_servicer import serve_workers
from tests.learner_service.made_up_task import made_up_task
from tests.waiting import PATIENCE_SECONDS, eventually

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def links(store: BlobStore) -> AsyncIterator[WorkerLinks]:
    links = WorkerLinks()
    async with serve_workers(links, store):
        yield links


async def ignore(event: object) -> None:
    pass


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_stop_that_comes_before_there_is_a_process_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: WorkerLinks, processes: int
):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    worker = JobProcesses(made_up_task(tmp_path, processes=processes), PATIENCE_SECONDS, links)
    worker.stop()
    exited = await worker.run(ignore)
    # Before there is a handler the signal ends it; afterwards it leaves by itself.
    assert exited.code in (-signal.SIGTERM, 0)
    assert exited.failure is None


async def test_a_worker_that_is_killed_from_outside_is_not_said_to_lack_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: WorkerLinks
):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    processes = JobProcesses(made_up_task(tmp_path), PATIENCE_SECONDS, links)
    running = asyncio.create_task(processes.run(ignore))
    await eventually(lambda: processes._own._process)
    processes._own._process.kill()
    assert str((await running).reason) == "the worker was killed from outside (signal 9)"


async def test_what_a_torchrun_above_says_is_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"):
        monkeypatch.setenv(name, "2")
    handed_on = worker_process.environment_of(made_up_task(tmp_path))
    assert not {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"} & handed_on.keys()
    assert handed_on["PATH"] == os.environ["PATH"]


def test_a_worker_gets_the_secret_in_its_environment_and_in_no_message(tmp_path: Path):
    secret = "s3cret-" * 6
    task = made_up_task(tmp_path, services_secret=secret)
    told = WorkerLinks().make(task).task
    assert secret not in told
    assert WorkerTask.model_validate_json(told).settings.secret is None
    variables = worker_process.environment_of(task)
    assert variables["TALLY_LEARNER_SERVICES_SECRET"] == secret


def test_a_worker_reads_the_secret_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    secret = "s3cret-" * 6
    told = WorkerLinks().make(made_up_task(tmp_path, services_secret=secret)).task
    monkeypatch.setenv("TALLY_LEARNER_SERVICES_SECRET", secret)
    assert WorkerTask.model_validate_json(told).settings.secret == secret
