"""A job that trains: stage, load, train, save, compare."""

import threading

from learner_service.data.dataset import Row, stage_dataset
from learner_service.data.held_out import split_rows
from learner_service.errors import StopRequested
from learner_service.evaluation.comparing import Comparing
from learner_service.evaluation.report import PAGE_NAME
from learner_service.events import JobEnded, JobPhase, JobStatus, Notice
from learner_service.grpo.groups import GroupSampler, PromptStage
from learner_service.grpo.rollouts_ahead import RolloutsAhead
from learner_service.grpo.step import StepLearner
from learner_service.grpo.trainer import GRPOTrainer
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.policy import Policy
from learner_service.spec import Training
from learner_service.tracking.trackers import trackers_of
from learner_service.worker.output import store_output, write_output
from learner_service.worker.policy_choice import chosen_policy


class TrainingJob:
    """Builds the parts of one training and runs them in order."""

    def __init__(self, comparing: Comparing, training: Training, stop: threading.Event) -> None:
        self._comparing = comparing
        self._task = comparing.task
        self._store = comparing.store
        self._report = comparing.report
        self._phases = comparing.phases
        self._training = training
        self._config = training.config
        self._stop = stop

    def run(self) -> None:
        """Ends the job with a result; raises StopRequested, or what went wrong."""
        self._phases.enter(JobPhase.LOADING)
        policy = chosen_policy(self._task, self._training)
        stage = PromptStage(policy, self._store)
        precision_differs = self._agree_on_tokens(policy, stage)
        staged = self._staged(policy, self._task.spec.dataset_digest)
        rows, held_out = split_rows(self._task.folder.split, staged, self._training)
        publisher = AdapterPublisher(
            self._store, self._task.folder.adapters, kept=2 + self._config.staleness
        )
        learner = StepLearner(
            policy,
            stage.features,
            self._config,
            corrected=self._config.is_corrected(precision_differs),
        )
        ahead = self._ahead(stage, rows)
        trainer = self._trainer(learner, stage, ahead, publisher, rows)
        self._train(trainer, ahead)
        self._phases.enter(JobPhase.SAVING)
        trainer.save_where_it_stands()
        adapter_digest = publisher.publish(policy.model)
        page = self._compare(policy, stage, held_out, adapter_digest)
        self._phases.enter(JobPhase.SAVING)
        digest = self._result(policy, trainer, page)
        self._report(JobEnded(status=JobStatus.COMPLETED, result_digest=digest))

    def _agree_on_tokens(self, policy: Policy, stage: PromptStage) -> bool:
        """Refuses replicas whose token ids mean something else.

        Returns whether they hold the base weights in another precision than this job.
        """
        served = self._comparing.loop.run(self._comparing.rollouts.model())
        stage.agree_on_tokens(served, self._task.spec.base_model)
        policy.bar(served.barred_token_ids)
        differs = served.use_4bit != self._config.use_4bit
        if differs:
            held = "4-bit" if served.use_4bit else "full-precision"
            self._report(
                Notice(
                    message=f"the rollout replicas hold {held} base weights and this job does not; "
                    "log_probability_gap shows how far the two are apart"
                )
            )
        return differs

    def _staged(self, policy: Policy, digest: str) -> list[Row]:
        path = self._store.path(digest)
        return stage_dataset(path, self._store, policy.image_grid, self._config.max_image_size)

    def _ahead(self, stage: PromptStage, rows: list[Row]) -> RolloutsAhead:
        sampler = GroupSampler(
            stage=stage,
            rollouts=self._comparing.rollouts,
            rewards=self._comparing.rewards,
            training=self._config,
            reward_weights=self._training.rewards,
        )
        return RolloutsAhead(sampler, self._comparing.loop, rows, self._config)

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
            training=self._config,
            folder=self._task.folder,
            checkpoints_kept=self._task.settings.checkpoints_kept,
            report=self._report,
            phases=self._phases,
            stop=self._stop,
            attempt=self._task.attempt,
            trackers=trackers_of(self._task, self._report),
        )

    def _train(self, trainer: GRPOTrainer, ahead: RolloutsAhead) -> None:
        found = self._task.folder.checkpoints.find_last()
        for name in found.broken:
            self._report(Notice(message=f"{name} is damaged and was passed over"))
        try:
            trainer.train(resume_from_checkpoint=str(found.path) if found.path else None)
        except StopRequested:
            ahead.cancel()
            trainer.save_where_it_stands()
            raise

    def _compare(
        self, policy: Policy, stage: PromptStage, held_out: list[Row], adapter_digest: str
    ) -> bytes | None:
        """The page of the comparison on the data that the job names, or on what it held out."""
        named = self._training.evaluation_dataset_digest
        return self._comparing.page(
            stage,
            lambda: self._staged(policy, named) if named else held_out,
            adapter_digest,
            held_out_share=None if named else self._training.evaluation_share,
        )

    def _result(self, policy: Policy, trainer: GRPOTrainer, page: bytes | None) -> str:
        folder = self._task.folder.output
        write_output(folder, policy, self._task.spec, self._training, trainer.state_with_history())
        if page is not None:
            (folder / PAGE_NAME).write_bytes(page)
        return store_output(folder, self._task.folder.result_archive, self._store)
