"""A whole worker over real gRPC: what is held out is in no training step, and is compared."""

import io
import json
import threading
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from PIL import Image
from transformers import AutoTokenizer

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.background import BackgroundLoop
from learner_service.events import (
    EvaluationDone,
    JobEnded,
    JobStatus,
    Notice,
    SamplesShown,
    from_json,
)
from learner_service.job_folder.worker_task import WorkerTask
from learner_service.settings import LearnerSettings
from learner_service.spec import Evaluation, JobSpec, Training
from learner_service.worker.worker import Worker
from reward_service.servicer import SERVICE_NAME, RewardServicer
from tally.job.settings import LoraConfig, TrainingConfig
from tally.reward.v1 import reward_pb2_grpc
from tally.rollout.v1 import rollout_pb2 as pb
from tally.rollout.v1 import rollout_pb2_grpc
from tally.rpc.digests import vocabulary_fingerprint
from tally.rpc.server import RpcServer
from tally.rpc.settings import ClientSettings, ServerSettings
from tests.fakes.rollout import FakeRollouts
from tests.learner_service.data.test_dataset import encoded, line, write_zip

IMAGES = 60


class NotingRollouts(FakeRollouts):
    """Says "A photo of 3 apples" to everything, and notes which image was asked for how."""

    def __init__(self, policy_path: Path) -> None:
        super().__init__()
        tokenizer = AutoTokenizer.from_pretrained(policy_path)
        self._fingerprint = vocabulary_fingerprint(tokenizer.get_vocab())
        self._answer = tokenizer("A photo of 3 apples")["input_ids"]
        self.images: dict[str, set[str]] = defaultdict(set)
        self.answers_greedily = True

    async def GetModel(
        self, request: pb.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetModelResponse:
        return pb.GetModelResponse(base_model="small", vocabulary_fingerprint=self._fingerprint)

    async def Generate(
        self, request: pb.GenerateRequest, context: grpc.aio.ServicerContext
    ) -> pb.GenerateResponse:
        greedy = "adapter" if request.adapter_digest else "base"
        how = greedy if request.sampling.temperature == 0 else "training"
        if how != "training" and not self.answers_greedily:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        self.images[how].add(request.image_digest)
        completion = pb.Completion(
            token_ids=self._answer,
            log_probabilities=[-0.5] * len(self._answer),
            finish_reason=pb.FINISH_REASON_STOP,
            adapter_digest=request.adapter_digest,
        )
        return pb.GenerateResponse(completions=[completion] * request.num_completions)


class Services:
    """Both services on an event loop of their own, as a worker meets them."""

    def __init__(self, rollouts: FakeRollouts) -> None:
        self._loop = BackgroundLoop(threading.Event())
        self.rollout = self._loop.run(
            self._started(
                "tally.rollout.v1.RolloutService",
                lambda s: rollout_pb2_grpc.add_RolloutServiceServicer_to_server(rollouts, s),
            )
        )
        self.reward = self._loop.run(
            self._started(
                SERVICE_NAME,
                lambda s: reward_pb2_grpc.add_RewardServiceServicer_to_server(RewardServicer(), s),
            )
        )

    async def _started(self, name, register) -> RpcServer:
        server = RpcServer(ServerSettings(), service_names=[name], register=register)
        await server.start()
        await server.set_serving(True)
        return server

    def close(self) -> None:
        self._loop.run(self.rollout.stop(0))
        self._loop.run(self.reward.stop(0))
        self._loop.close()


@pytest.fixture
def rollouts(random_policy_path: Path) -> NotingRollouts:
    return NotingRollouts(random_policy_path)


@pytest.fixture
def services(rollouts: NotingRollouts) -> Iterator[Services]:
    services = Services(rollouts)
    yield services
    services.close()


@pytest.fixture
def task(tmp_path: Path, services: Services, random_policy_path: Path) -> WorkerTask:
    images = {
        f"{n}.png": encoded(Image.new("RGB", (56, 56), (n, 255 - n, 9))) for n in range(IMAGES)
    }
    lines = [line(name, row=2 + n, true_count=1 + n % 6) for n, name in enumerate(images)]
    path = write_zip(tmp_path / "data.zip", images, lines)
    digest = BlobStore(tmp_path / "blobs").put_bytes(path.read_bytes())
    (tmp_path / "job" / "checkpoints").mkdir(parents=True)
    config = TrainingConfig(
        num_epochs=1,
        batch_size=9,
        gradient_accumulation_steps=1,
        num_generations=2,
        use_4bit=False,
        max_new_tokens=8,
    )
    targets = [f"127.0.0.1:{server.port}" for server in (services.rollout, services.reward)]
    return WorkerTask(
        job_id="one",
        folder=tmp_path / "job",
        blobs=tmp_path / "blobs",
        model_source=str(random_policy_path),
        attempt=1,
        spec=JobSpec(
            dataset_digest=digest,
            base_model="small",
            work=Training(config=config, lora=LoraConfig(r=2), evaluation_share=0.25),
        ),
        settings=LearnerSettings(
            data_dir=tmp_path,
            rollout=ClientSettings(target=targets[0]),
            reward=ClientSettings(target=targets[1]),
            device="cpu",
            torch_threads=1,
        ),
    )


def run(task: WorkerTask) -> list:
    events = io.StringIO()
    worker = Worker(task, events, threading.Event())
    try:
        worker.run()
    finally:
        worker._loop.close()  # a worker's own process simply ends
    return [from_json(text) for text in events.getvalue().splitlines()]


def test_held_out_images_are_in_no_training_step(task: WorkerTask, rollouts: NotingRollouts):
    events = run(task)
    seen = rollouts.images
    assert len(seen["training"]) == 45
    assert seen["base"] == seen["adapter"]
    assert len(seen["base"]) == 15
    assert not seen["training"] & seen["base"]
    held_out = json.loads((task.folder / "held_out.json").read_text())["rows"]
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
    assert (
        result["held_out"]["rows"]
        == json.loads((task.folder / "held_out.json").read_text())["rows"]
    )
    assert result["adapter"]["exact_rate"] == done.adapter["exact_rate"]
    # Three is said to all, and is true of a sixth of them, as the whole has it.
    assert done.base["exact_rate"] == pytest.approx(1 / 6, abs=0.04)
    ended = next(event for event in events if isinstance(event, JobEnded))
    with zipfile.ZipFile(store.path(ended.result_digest)) as archive:
        assert archive.read("evaluation.html") == page
        assert len(archive.namelist()) == 8


def test_a_worker_that_comes_after_keeps_to_what_was_written_down(task: WorkerTask):
    rows = list(range(2, 12))
    (task.folder / "held_out.json").write_text(json.dumps({"rows": rows}))
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
    assert not (task.folder / "output").exists()


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
