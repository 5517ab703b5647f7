"""A worker as a process, from the service's side."""

import os
import signal
from pathlib import Path

import pytest

from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.queue import worker_process
from learner_service.queue.worker_process import WorkerProcess
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]


async def ignore(event: object) -> None:
    pass


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_stop_that_comes_before_there_is_a_process_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    task = WorkerTask(
        job_id="one",
        folder_path=tmp_path,
        blobs=tmp_path / "blobs",
        model_source="none",
        attempt=1,
        spec=JobSpec(dataset_digest="a" * 64, base_model="none"),
        settings=LearnerSettings(data_dir=tmp_path, device="cpu"),
        launch=Launch(processes_by_host=(processes,)),
    )
    worker = WorkerProcess(task, PATIENCE_SECONDS)
    worker.stop()
    exited = await worker.run(ignore)
    # Before there is a handler the signal ends it; afterwards it leaves by itself.
    assert exited.code in (-signal.SIGTERM, 0)
    assert exited.failure is None


async def test_what_a_torchrun_above_says_is_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"):
        monkeypatch.setenv(name, "2")
    handed_on = worker_process._environment()
    assert not {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"} & handed_on.keys()
    assert handed_on["PATH"] == os.environ["PATH"]
