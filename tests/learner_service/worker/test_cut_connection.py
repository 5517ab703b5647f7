"""A real worker whose connection to its service is cut in the middle of a job."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.events import Event, JobEnded, JobStatus, Notice, StepDone
from learner_service.job_folder.layout import JobFolder
from learner_service.job_folder.task import WorkerTask
from learner_service.queue.job_processes import JobProcesses
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training
from tally.job.settings import LoraConfig, TrainingConfig
from tests.fakes.counting_rollouts import ServedCounting
from tests.fakes.cut_link import served_links
from tests.fakes.worker_services import WorkerServices
from tests.learner_service.learner_process import ROOT, put_dataset
from tests.waiting import PATIENCE_SECONDS, eventually

STEPS = 8


@pytest.fixture
def services(random_policy_path: Path) -> Iterator[WorkerServices]:
    services = WorkerServices(ServedCounting(random_policy_path))
    yield services
    services.close()


@pytest.fixture
def make_task(
    tmp_path: Path,
    services: WorkerServices,
    random_policy_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[int], WorkerTask]:
    """The task of a first worker; of a job that is saved every so many steps."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return lambda save_steps: task_of(
        tmp_path / "learner", services, random_policy_path, save_steps
    )


def task_of(data_dir: Path, services: WorkerServices, model: Path, save_steps: int) -> WorkerTask:
    digest = put_dataset(data_dir)
    folder = JobFolder.of_job(data_dir, "one")
    folder.path.parent.mkdir()
    folder.prepare()
    config = TrainingConfig(
        max_steps=STEPS,
        num_epochs=100,
        batch_size=1,
        gradient_accumulation_steps=1,
        num_generations=3,
        use_4bit=False,
        max_new_tokens=24,
        max_image_size=56,
        save_steps=save_steps,
    )
    work = Training(config=config, lora=LoraConfig(r=4), evaluation_share=0.0)
    return WorkerTask(
        job_id="one",
        folder_path=folder.path,
        blobs=data_dir / "blobs",
        model_source=str(model),
        attempt=folder.fence.advance(),
        spec=JobSpec(dataset_digest=digest, base_model=model.name, work=work),
        settings=LearnerSettings(
            data_dir=data_dir,
            rollout=services.rollout,
            reward=services.reward,
            device="cpu",
            torch_threads=1,
        ),
    )


# With a checkpoint that is due while there is no connection, and without.
@pytest.mark.parametrize("save_steps", [1000, 3])
async def test_a_connection_that_is_cut_costs_no_event_and_no_step(
    make_task: Callable[[int], WorkerTask], save_steps: int
):
    task = make_task(save_steps)
    events: list[Event] = []
    async with served_links(BlobStore(task.blobs)) as (links, cut_link):

        async def take(event: Event) -> None:
            events.append(event)
            if isinstance(event, StepDone) and event.step == 2:
                cut_link.cut()

        running = asyncio.create_task(JobProcesses(task, PATIENCE_SECONDS, links).run(take))
        log = task.folder.worker_log
        noticed = "no connection to the service, trying again"
        await eventually(lambda: running.done() or (log.exists() and noticed in log.read_text()))
        assert not running.done(), log.read_text()
        await asyncio.sleep(3)  # it tries again and again, and in vain
        assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2]
        assert task.folder.checkpoints.newest_step == 0
        cut_link.mend()
        exited = await running
    assert exited.code == 0, log.read_text()
    assert [e.step for e in events if isinstance(e, StepDone)] == list(range(1, STEPS + 1))
    assert [entry["step"] for entry in task.folder.history.entries() if "loss" in entry] == list(
        range(1, STEPS + 1)
    )
    assert not [event for event in events if isinstance(event, Notice)]
    assert task.folder.checkpoints.newest_step == STEPS
    assert not task.scratch.exists()
    ended = [event for event in events if isinstance(event, JobEnded)]
    assert [event.status for event in ended] == [JobStatus.COMPLETED]
    assert events[-1] is ended[0]
