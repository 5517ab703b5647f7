"""One job in one process: stage, load, train, save, compare; events go to the supervisor.

Started by the supervisor as `python -m learner_service.worker.worker TASK_FILE EVENTS_DESCRIPTOR`.
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

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.background import BackgroundLoop
from learner_service.clients.clients import open_clients
from learner_service.data.dataset import Row, stage_dataset
from learner_service.data.held_out import split_rows
from learner_service.errors import StopRequested
from learner_service.evaluation.comparing import Comparing
from learner_service.evaluation.report import PAGE_NAME
from learner_service.events import (
    Event,
    JobEnded,
    JobPhase,
    JobStatus,
    Notice,
    PhaseChanged,
    to_json,
)
from learner_service.grpo.groups import GroupSampler, PromptStage
from learner_service.grpo.rollouts_ahead import RolloutsAhead
from learner_service.grpo.step import StepLearner
from learner_service.grpo.trainer import GRPOTrainer
from learner_service.job_folder import checkpoints
from learner_service.job_folder.worker_task import WorkerTask
from learner_service.phases import Phases
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.policy import Policy
from learner_service.tracking.trackers import trackers_of
from learner_service.worker.evaluation_job import run_evaluation_job
from learner_service.worker.failures import failure_of
from learner_service.worker.output import store_output, write_output
from learner_service.worker.policy_choice import chosen_policy
from tally.host.parent import end_with_parent
from tally.rpc.logs import configure_logging


class Worker:
    """Builds the parts of one job and runs them in order."""

    def __init__(self, task: WorkerTask, events: TextIO, stop: threading.Event) -> None:
        self._task = task
        self._spec = task.spec
        self._events = events
        self._stop = stop
        self._phase = JobPhase.NONE
        self._report_lock = threading.Lock()
        self._phases = Phases(self.report)
        self._store = BlobStore(task.blobs)
        self._loop = BackgroundLoop(stop)

    def run(self) -> None:
        """Ends the job with a result; raises StopRequested, or what went wrong."""
        self._rollouts, self._rewards = self._loop.run(
            open_clients(self._task.settings, self.report, self._phases)
        )
        self._comparing = Comparing(
            task=self._task,
            store=self._store,
            loop=self._loop,
            rollouts=self._rollouts,
            rewards=self._rewards,
            report=self.report,
            phases=self._phases,
        )
        if self._spec.adapter_digest:
            run_evaluation_job(self._comparing)
        else:
            self._run_training()

    def _run_training(self) -> None:
        self._phases.enter(JobPhase.LOADING)
        policy = chosen_policy(self._task)
        stage = PromptStage(policy, self._store)
        precision_differs = self._agree_on_tokens(policy, stage)
        staged = self._staged(policy, self._spec.dataset_digest)
        rows, held_out = split_rows(self._task.folder, staged, self._spec)
        training, ledger = self._spec.training, self._task.folder / "published.txt"
        publisher = AdapterPublisher(self._store, ledger, kept=2 + training.staleness)
        learner = StepLearner(
            policy,
            stage.features,
            training,
            corrected=training.is_corrected(precision_differs),
        )
        ahead = self._ahead(stage, rows)
        trainer = self._trainer(learner, stage, ahead, publisher, rows)
        self._train(trainer, ahead)
        self._phases.enter(JobPhase.SAVING)
        trainer.save_where_it_stands()
        adapter_digest = publisher.publish(policy.model)
        named = self._spec.evaluation_dataset_digest
        page = self._comparing.page(
            stage,
            lambda: self._staged(policy, named) if named else held_out,
            adapter_digest,
            held_out=not named,
        )
        self._phases.enter(JobPhase.SAVING)
        digest = self._result(policy, trainer, page)
        self.report(JobEnded(status=JobStatus.COMPLETED, result_digest=digest))

    def report(self, event: Event) -> None:
        """Writes one line; a phase that is the current one already is not said again.

        The trainer and the clients report from threads of their own.
        """
        with self._report_lock:
            if isinstance(event, PhaseChanged):
                if event.phase is self._phase:
                    return
                self._phase = event.phase
            self._events.write(to_json(event) + "\n")
            self._events.flush()

    def _agree_on_tokens(self, policy: Policy, stage: PromptStage) -> bool:
        """Refuses replicas whose token ids mean something else.

        Returns whether they hold the base weights in another precision than this job.
        """
        served = self._loop.run(self._rollouts.model())
        stage.agree_on_tokens(served, self._spec.base_model)
        policy.bar(served.barred_token_ids)
        differs = served.use_4bit != self._spec.training.use_4bit
        if differs:
            held = "4-bit" if served.use_4bit else "full-precision"
            self.report(
                Notice(
                    message=f"the rollout replicas hold {held} base weights and this job does not; "
                    "log_probability_gap shows how far the two are apart"
                )
            )
        return differs

    def _staged(self, policy: Policy, digest: str) -> list[Row]:
        path = self._store.path(digest)
        max_side = self._spec.training.max_image_size
        return stage_dataset(path, self._store, policy.image_grid, max_side)

    def _ahead(self, stage: PromptStage, rows: list[Row]) -> RolloutsAhead:
        sampler = GroupSampler(
            stage=stage,
            rollouts=self._rollouts,
            rewards=self._rewards,
            training=self._spec.training,
            reward_weights=self._spec.rewards,
        )
        return RolloutsAhead(sampler, self._loop, rows, self._spec.training)

    def _trainer(
        self,
        learner: StepLearner,
        stage: PromptStage,
        ahead: RolloutsAhead,
        publisher: AdapterPublisher,
        rows: list[Row],
    ) -> GRPOTrainer:
        return GRPOTrainer(
            learner=learner,
            stage=stage,
            ahead=ahead,
            publisher=publisher,
            rows=rows,
            training=self._spec.training,
            folder=self._task.folder,
            checkpoints_kept=self._task.settings.checkpoints_kept,
            report=self.report,
            phases=self._phases,
            stop=self._stop,
            attempt=self._task.attempt,
            trackers=trackers_of(self._task, self.report),
        )

    def _train(self, trainer: GRPOTrainer, ahead: RolloutsAhead) -> None:
        found = checkpoints.find_last(self._task.folder / "checkpoints")
        for name in found.broken:
            self.report(Notice(message=f"{name} is damaged and was passed over"))
        try:
            trainer.train(resume_from_checkpoint=str(found.path) if found.path else None)
        except StopRequested:
            ahead.cancel()
            trainer.save_where_it_stands()
            raise

    def _result(self, policy: Policy, trainer: GRPOTrainer, page: bytes | None) -> str:
        folder = self._task.folder / "output"
        write_output(folder, policy, self._spec, trainer.state_with_history())
        if page is not None:
            (folder / PAGE_NAME).write_bytes(page)
        return store_output(folder, self._task.folder / "result.zip", self._store)


def main() -> None:
    end_with_parent(int(sys.argv[3]))
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
            worker.report(failure_of(error))
            raise
    # Threads of gRPC and torch must not outlive the interpreter's teardown.
    os._exit(0)


if __name__ == "__main__":
    main()
