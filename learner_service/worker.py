"""One job in one process: stage, load, train, save, compare; events go to the supervisor.

Started by the supervisor as `python -m learner_service.worker TASK_FILE EVENTS_DESCRIPTOR`.
SIGTERM asks it to stop at the next safe boundary, with a checkpoint.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

import torch

from learner_service import checkpoints
from learner_service.adapters import AdapterPublisher
from learner_service.background import BackgroundLoop
from learner_service.blob_store import BlobStore
from learner_service.clients import open_clients
from learner_service.comparing import Comparing, page_of
from learner_service.dataset import Sample, stage_dataset
from learner_service.errors import StopRequested
from learner_service.evaluation_job import run_evaluation_job
from learner_service.events import (
    Event,
    JobEnded,
    JobPhase,
    JobStatus,
    Notice,
    PhaseChanged,
    to_json,
)
from learner_service.failures import failure_of
from learner_service.groups import GroupSampler, PromptStage
from learner_service.held_out import split_samples
from learner_service.output import write_output, zip_output
from learner_service.policy import Policy, PolicySettings
from learner_service.process import end_with_parent
from learner_service.report import PAGE_NAME
from learner_service.trainer import GRPOTrainer
from learner_service.worker_task import WorkerTask
from rpc.digests import digest_of_file
from rpc.errors import TallyError
from rpc.logs import configure_logging


class Worker:
    """Builds the parts of one job and runs them in order."""

    def __init__(self, task: WorkerTask, events: TextIO, stop: threading.Event) -> None:
        self._task = task
        self._spec = task.spec
        self._events = events
        self._stop = stop
        self._phase = JobPhase.NONE
        self._store = BlobStore(task.blobs)
        self._loop = BackgroundLoop(stop)

    def run(self) -> None:
        """Ends the job with a result; raises StopRequested, or what went wrong."""
        self._rollouts, self._rewards = self._loop.run(
            open_clients(self._task.settings, self.report)
        )
        self._comparing = Comparing(
            task=self._task,
            store=self._store,
            loop=self._loop,
            rollouts=self._rollouts,
            rewards=self._rewards,
            report=self.report,
        )
        if self._spec.adapter_digest:
            run_evaluation_job(self._comparing)
        else:
            self._run_training()

    def _run_training(self) -> None:
        self.report(PhaseChanged(phase=JobPhase.LOADING))
        policy = self._policy()
        stage = PromptStage(policy, self._store)
        self._agree_on_tokens(policy, stage)
        staged = self._staged(policy, self._spec.dataset_digest)
        samples, held_out = split_samples(self._task.folder, staged, self._spec)
        publisher = AdapterPublisher(self._store, self._task.folder / "published.txt")
        trainer = self._trainer(policy, stage, publisher, samples)
        self._train(trainer)
        self.report(PhaseChanged(phase=JobPhase.SAVING))
        trainer.save_where_it_stands()
        adapter_digest = publisher.publish(policy.model)
        page = self._compared(policy, stage, adapter_digest, held_out)
        self.report(PhaseChanged(phase=JobPhase.SAVING))
        digest = self._result(policy, trainer, page)
        self.report(JobEnded(status=JobStatus.COMPLETED, result_digest=digest))

    def report(self, event: Event) -> None:
        """Writes one line; a phase that is the current one already is not said again."""
        if isinstance(event, PhaseChanged):
            if event.phase is self._phase:
                return
            self._phase = event.phase
        self._events.write(to_json(event) + "\n")
        self._events.flush()

    def _policy(self) -> Policy:
        settings = self._task.settings
        if settings.torch_threads:
            torch.set_num_threads(settings.torch_threads)
        device = settings.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = settings.dtype
        if dtype == "auto":
            dtype = "bfloat16" if device == "cuda" else "float32"
        return Policy(
            PolicySettings(
                source=self._task.model_source,
                device=device,
                dtype=getattr(torch, dtype),
                use_4bit=self._spec.training.use_4bit,
                seed=self._spec.training.seed,
                feature_cache_bytes=settings.feature_cache_bytes,
            ),
            self._spec.lora,
        )

    def _agree_on_tokens(self, policy: Policy, stage: PromptStage) -> None:
        """Refuses replicas whose token ids mean something else."""
        served = self._loop.run(self._rollouts.model())
        stage.agree_on_tokens(served, self._spec.base_model)
        policy.bar(served.barred_token_ids)
        if served.use_4bit != self._spec.training.use_4bit:
            held = "4-bit" if served.use_4bit else "full-precision"
            self.report(
                Notice(
                    message=f"the rollout replicas hold {held} base weights and this job does not; "
                    "log_probability_gap shows how far the two are apart"
                )
            )

    def _staged(self, policy: Policy, digest: str) -> list[Sample]:
        path = self._store.path(digest)
        max_side = self._spec.training.max_image_size
        return stage_dataset(path, self._store, policy.image_grid, max_side)

    def _trainer(
        self,
        policy: Policy,
        stage: PromptStage,
        publisher: AdapterPublisher,
        samples: list[Sample],
    ) -> GRPOTrainer:
        sampler = GroupSampler(
            stage=stage,
            rollouts=self._rollouts,
            rewards=self._rewards,
            loop=self._loop,
            training=self._spec.training,
            reward_weights=self._spec.rewards,
        )
        return GRPOTrainer(
            policy=policy,
            stage=stage,
            sampler=sampler,
            publisher=publisher,
            samples=samples,
            training=self._spec.training,
            folder=self._task.folder,
            checkpoints_kept=self._task.settings.checkpoints_kept,
            report=self.report,
            stop=self._stop,
            attempt=self._task.attempt,
        )

    def _train(self, trainer: GRPOTrainer) -> None:
        found = checkpoints.find_last(self._task.folder / "checkpoints")
        for name in found.broken:
            self.report(Notice(message=f"{name} is damaged and was passed over"))
        try:
            trainer.train(resume_from_checkpoint=str(found.path) if found.path else None)
        except StopRequested:
            trainer.save_where_it_stands()
            raise

    def _result(self, policy: Policy, trainer: GRPOTrainer, page: bytes | None) -> str:
        folder = self._task.folder / "output"
        write_output(folder, policy, self._spec, trainer.state)
        if page is not None:
            (folder / PAGE_NAME).write_bytes(page)
        archive = self._task.folder / "result.zip"
        zip_output(folder, archive)
        digest = digest_of_file(archive)
        self._store.put_file(archive, digest)
        archive.unlink()
        return digest

    def _compared(
        self, policy: Policy, stage: PromptStage, adapter_digest: str, held_out: list[Sample]
    ) -> bytes | None:
        """The comparison's page; None where there is nothing to compare on.

        What was trained is not lost to a comparison that fails: the job says so and goes on.
        """
        digest = self._spec.evaluation_dataset_digest
        try:
            samples = self._staged(policy, digest) if digest else held_out
            if not samples:
                return None
            return page_of(self._comparing.run(stage, samples, adapter_digest, not digest))
        except TallyError as error:
            self.report(Notice(message=f"base and adapter were not compared: {error}"))
            return None


def main() -> None:
    end_with_parent()
    configure_logging("worker")
    task = WorkerTask.model_validate_json(Path(sys.argv[1]).read_text())
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(int(sys.argv[2]), "w") as events:
        worker = Worker(task, events, stop)
        try:
            with suppress(StopRequested):
                worker.run()
        except Exception as error:
            worker.report(failure_of(_first(error)))
            raise
    # Threads of gRPC and torch must not outlive the interpreter's teardown.

    os._exit(0)


def _first(error: BaseException) -> Exception:
    """The first error of a group, or the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Exception) else RuntimeError(str(error))


if __name__ == "__main__":
    main()
