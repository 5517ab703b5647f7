"""A whole worker over real gRPC: what is held out is in no training step, and is compared."""

import json
import math
import threading
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from learner_service.blobs.blob_store import BlobStore
from learner_service.events import (
    EvaluationDone,
    EvaluationProgress,
    JobEnded,
    JobStatus,
    Notice,
    SamplesShown,
)
from learner_service.job_folder.output_files import DOCUMENTED_FILES
from learner_service.job_folder.task import WorkerTask
from learner_service.settings import LearnerSettings
from learner_service.spec import Evaluation, JobSpec, Prediction, Training
from learner_service.worker.service_client import ServiceClient
from learner_service.worker.worker import Worker
from learner_service.worker_access import WorkerAccess
from tally.job.settings import LoraConfig, TrainingConfig
from tests.fakes.worker_services import NotingRollouts, WorkerServices
from tests.learner_service.data.test_dataset import encoded, line, write_zip
from tests.learner_service.served_link import served_link
from tests.waiting import PATIENCE_SECONDS

IMAGES = 60


@pytest.fixture
def task(
    tmp_path: Path, store: BlobStore, services: WorkerServices, random_policy_path: Path
) -> WorkerTask:
    images = {
        f"{n}.png": encoded(Image.new("RGB", (56, 56), (n, 255 - n, 9))) for n in range(IMAGES)
    }
    lines = [line(name, row=2 + n, true_count=1 + n % 6) for n, name in enumerate(images)]
    path = write_zip(tmp_path / "data.zip", images, lines)
    digest = store.put_bytes(path.read_bytes())
    (tmp_path / "job").mkdir()
    config = TrainingConfig(
        num_epochs=1,
        batch_size=9,
        gradient_accumulation_steps=1,
        num_generations=2,
        use_4bit=False,
        max_new_tokens=8,
    )
    return WorkerTask(
        job_id="one",
        folder_path=tmp_path / "job",
        blobs=store.root,
        model_source=str(random_policy_path),
        attempt=1,
        spec=JobSpec(
            dataset_digest=digest,
            base_model="small",
            work=Training(config=config, lora=LoraConfig(r=2), evaluation_share=0.25),
        ),
        settings=LearnerSettings(
            data_dir=tmp_path,
            rollout=services.rollout,
            reward=services.reward,
            device="cpu",
            torch_threads=1,
        ),
    )


def run(task: WorkerTask) -> list:
    with served_link(task) as served:
        access = WorkerAccess.of(served.variables)
        with ServiceClient(access, patience_seconds=PATIENCE_SECONDS) as service:
            worker = Worker(task, service, threading.Event())
            try:
                worker.run()
            finally:
                worker._loop.close()  # a worker's own process simply ends
    return served.events


def test_held_out_images_are_in_no_training_step(task: WorkerTask, rollouts: NotingRollouts):
    events = run(task)
    seen = rollouts.images
    assert len(seen["training"]) == 45
    assert seen["base"] == seen["adapter"]
    assert len(seen["base"]) == 15
    assert not seen["training"] & seen["base"]
    held_out = task.folder.split.rows(list)
    shown = {group.row for e in events if isinstance(e, SamplesShown) for group in e.groups}
    assert shown
    assert not shown & set(held_out)
    assert [e.step for e in events if isinstance(e, SamplesShown)] == [1, 2, 3, 4, 5]


def test_the_comparison_is_reported_and_in_the_download(task: WorkerTask):
    events = run(task)
    done = next(event for event in events if isinstance(event, EvaluationDone))
    assert (done.num_samples, events[-1].status) == (15, JobStatus.COMPLETED)
    store = BlobStore(task.blobs)
    with zipfile.ZipFile(store.path(done.report_digest)) as archive:
        result = json.loads(archive.read("evaluation.json"))
        page = archive.read("evaluation.html")
    assert result["held_out"]["rows"] == task.folder.split.rows(list)
    assert result["adapter"]["exact_rate"] == done.adapter.exact_rate
    # Three is said to all, and is true of a sixth of them, as the whole has it.
    assert done.base.exact_rate == pytest.approx(1 / 6, abs=0.04)
    ended = next(event for event in events if isinstance(event, JobEnded))
    with zipfile.ZipFile(store.path(ended.result_digest)) as archive:
        assert archive.read("evaluation.html") == page
        assert {*DOCUMENTED_FILES, "README.md"} < set(archive.namelist())


def test_a_worker_that_comes_after_keeps_to_what_was_written_down(task: WorkerTask):
    rows = list(range(2, 12))
    task.folder.split.rows(lambda: rows)
    events = run(task)
    done = next(event for event in events if isinstance(event, EvaluationDone))
    assert done.num_samples == len(rows)


def test_a_comparison_that_fails_does_not_lose_what_was_trained(
    task: WorkerTask, monkeypatch: pytest.MonkeyPatch
):
    work = task.spec.work.model_copy(update={"evaluation_dataset_digest": "e" * 64})
    missing = task.spec.model_copy(update={"work": work})
    events = run(task.model_copy(update={"spec": missing}))
    assert events[-1].status is JobStatus.COMPLETED
    assert events[-1].result_digest
    notices = [event.message for event in events if type(event).__name__ == "Notice"]
    assert any("were not compared" in message for message in notices)


def test_an_adapter_alone_is_compared_without_the_models_weights(
    task: WorkerTask, rollouts: NotingRollouts
):
    work = Evaluation(adapter_digest="a" * 64)
    alone = task.spec.model_copy(update={"work": work})
    events = run(task.model_copy(update={"spec": alone}))
    assert not rollouts.images["training"]
    assert len(rollouts.images["adapter"]) == IMAGES
    done = next(event for event in events if isinstance(event, EvaluationDone))
    assert events[-1] == JobEnded(status=JobStatus.COMPLETED, result_digest=done.report_digest)
    assert not task.folder.output.exists()


@pytest.mark.parametrize(("digest", "asked"), [("a" * 64, "adapter"), ("", "base")])
def test_pictures_are_answered_with_the_probability_of_the_answer(
    task: WorkerTask, rollouts: NotingRollouts, digest: str, asked: str
):
    spec = task.spec.model_copy(update={"work": Prediction(adapter_digest=digest)})
    events = run(task.model_copy(update={"spec": spec}))
    assert {how: len(images) for how, images in rollouts.images.items()} == {asked: IMAGES}
    progress = [event for event in events if isinstance(event, EvaluationProgress)]
    assert (progress[-1].answered, progress[-1].total) == (IMAGES, IMAGES)
    assert events[-1].status is JobStatus.COMPLETED
    with zipfile.ZipFile(BlobStore(task.blobs).path(events[-1].result_digest)) as archive:
        lines = archive.read("predictions.jsonl").splitlines()
    answers = [json.loads(one) for one in lines]
    assert [one["row"] for one in answers] == list(range(2, 2 + IMAGES))
    assert {(one["text"], one["count"]) for one in answers} == {("A photo of 3 apples", 3)}
    tokens = len(rollouts._answer)
    assert answers[0]["probability"] == pytest.approx(math.exp(-0.5 * tokens))


def test_a_comparison_that_fails_costs_nothing_but_itself(
    task: WorkerTask, rollouts: NotingRollouts
):
    rollouts.answers_greedily = False
    settings = task.settings.model_copy(update={"rollout_wait_seconds": 0.3})
    events = run(task.model_copy(update={"settings": settings}))
    assert events[-1].status == JobStatus.COMPLETED
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert any("were not compared: no rollout replica" in message for message in notices)
    assert not any(isinstance(event, EvaluationDone) for event in events)
