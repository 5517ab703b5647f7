"""A job that trains: stage, load, train, save, compare."""

from collections.abc import Callable
from pathlib import Path

from learner_service.data.dataset import Row, stage_dataset
from learner_service.data.held_out import split_rows
from learner_service.errors import RankLost, StopRequested
from learner_service.evaluation.report import read_comparison
from learner_service.events import JobEnded, JobPhase, JobStatus, Notice
from learner_service.grpo.count_groups import sampler_of
from learner_service.grpo.groups import PromptStage
from learner_service.grpo.prompt_reader import PromptReader
from learner_service.grpo.rollouts_ahead import RolloutsAhead
from learner_service.grpo.run_end import RunEnd
from learner_service.grpo.step import StepLearner, take_none
from learner_service.grpo.trainer import GRPOTrainer
from learner_service.job_folder.commits import Place
from learner_service.job_folder.output_files import pack_files
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.policy import Policy
from learner_service.room_wait import RoomWait
from learner_service.spec import Training
from learner_service.tracking.trackers import Trackers, trackers_of
from learner_service.worker.adapter_evaluation import AdapterEvaluation
from learner_service.worker.job_parts import JobParts
from learner_service.worker.output import complete_output, write_output
from learner_service.worker.policy_loading import load_policy
from learner_service.worker.run_watch import watch_run
from learner_service.worker.sampling_inside import load_engine
from tally.messages.message import Message
from tally.rpc.digests import digest_of_file


class TrainingJob:
    """Builds the parts of one training and runs them in order."""

    def __init__(self, parts: JobParts, training: Training) -> None:
        self._parts = parts
        self._task = parts.task
        self._folder = parts.task.folder
        self._training = training
        self._config = training.config
        self._ranks = parts.ranks

    def run(self) -> None:
        """Ends the job with a result; raises StopRequested, or what went wrong.

        Of several processes the first one does what follows training.
        """
        self._parts.phases.enter(JobPhase.LOADING)
        policy = load_policy(self._parts, self._training)
        if policy.is_sharded:
            said = Message("base_in_parts", processes=self._ranks.count)
            self._parts.report(Notice.of(said))
        stage = PromptStage(policy, self._parts.store, self._training.prompt)
        reader = load_engine(self._parts, self._training, policy, stage)
        precision_differs = self._agree_on_tokens(policy, stage)
        staged = self._stage(policy, self._task.spec.dataset_digest)
        rows, held_out = self._split(staged)
        publisher = AdapterPublisher(
            self._parts.store,
            kept=2 + self._config.staleness,
            keeper=self._parts.keeper,
            inside=self._task.settings.samples_inside,
        )
        learner = StepLearner(
            policy,
            stage.features,
            self._config,
            corrected=self._config.is_corrected(precision_differs),
            ranks=self._ranks,
            take_read=reader.take if reader else take_none,
        )
        ahead = self._plan_rollouts(stage, rows, reader)
        watched = self._compared_rows(policy, held_out) if self._config.evaluation_steps else []
        run_end = watch_run(self._parts, self._config, stage, watched)
        trainer = self._build_trainer(learner, stage, ahead, publisher, rows, run_end=run_end)
        self._train(trainer, ahead)
        if not self._ranks.is_first:
            return
        self._parts.phases.enter(JobPhase.SAVING)
        trainer.save_where_it_stands()
        room = RoomWait(self._parts.report, self._parts.stop)
        adapter_digest = room.run(lambda: publisher.publish(policy.model))
        pages = self._compare(policy, stage, held_out, adapter_digest, run_end.untaught.said)
        self._parts.phases.enter(JobPhase.SAVING)
        digest = room.run(lambda: self._store_result(policy, trainer, pages))
        reason = run_end.reason(trainer.state)
        ended = JobEnded(status=JobStatus.COMPLETED, result_digest=digest, end_reason=reason)
        self._parts.report(ended)

    def _agree_on_tokens(self, policy: Policy, stage: PromptStage) -> bool:
        """Refuses replicas whose token ids mean something else.

        Returns whether they hold the base weights in another precision than this job.
        """
        served = self._parts.loop.run(self._parts.rollouts.model())
        stage.agree_on_tokens(served, self._task.spec.base_model)
        policy.bar(served.barred_token_ids)
        differs = served.use_4bit != self._config.use_4bit
        if differs:
            said = Message("replicas_in_4_bits" if served.use_4bit else "replicas_in_full")
            self._parts.report(Notice.of(said))
        return differs

    def _stage(self, policy: Policy, digest: str) -> list[Row]:
        path = self._parts.store.path(digest)
        return stage_dataset(
            path,
            self._parts.store,
            policy.image_grid,
            self._config.max_image_size,
            limits=self._task.settings.dataset,
        )

    def _split(self, staged: list[Row]) -> tuple[list[Row], list[Row]]:
        """What the job trains on, and what it holds out; the first process writes that down."""
        numbers: set[int] = set()
        if self._ranks.is_first:
            _, held_out = split_rows(self._folder.split, staged, self._training)
            self._parts.keeper.keep(Place.HELD_OUT, [self._folder.split.path])
            numbers = {row.number for row in held_out}
        numbers = self._ranks.broadcast(numbers)
        seen = [row for row in staged if row.number not in numbers]
        return seen, [row for row in staged if row.number in numbers]

    def _plan_rollouts(
        self, stage: PromptStage, rows: list[Row], reader: PromptReader | None
    ) -> RolloutsAhead:
        sampler = sampler_of(
            rows,
            stage=stage,
            rollouts=self._parts.rollouts,
            rewards=self._parts.rewards,
            training=self._config,
            reward_weights=self._training.rewards,
        )
        prepare = reader.prepare if reader else None
        loop, config = self._parts.loop, self._config
        return RolloutsAhead(sampler, loop, rows, config, self._ranks, prepare=prepare)

    def _build_trainer(
        self,
        learner: StepLearner,
        stage: PromptStage,
        ahead: RolloutsAhead,
        publisher: AdapterPublisher,
        rows: list[Row],
        *,
        run_end: RunEnd,
    ) -> GRPOTrainer:
        return GRPOTrainer(
            learner=learner,
            stage=stage,
            ahead=ahead,
            publisher=publisher,
            rows=rows,
            training=self._config,
            folder=self._folder,
            checkpoints_kept=1,  # of what the service keeps
            complete_checkpoint=self._complete_checkpoint(learner.policy),
            report=self._parts.report,
            phases=self._parts.phases,
            stop=self._parts.stop,
            keeper=self._parts.keeper,
            run_end=run_end,
            trackers=self._trackers() if self._ranks.is_first else None,
        )

    def _compared_rows(self, policy: Policy, held_out: list[Row]) -> list[Row]:
        """Those of the data that the job names for that, or what it holds out."""
        named = self._training.evaluation_dataset_digest
        return self._stage(policy, named) if named else held_out

    def _complete_checkpoint(self, policy: Policy) -> Callable[[Path], None]:
        """Makes a checkpoint one that can be downloaded."""
        return lambda folder: complete_output(
            folder,
            policy,
            spec=self._task.spec,
            training=self._training,
            history=self._folder.history.entries(),
        )

    def _trackers(self) -> Trackers:
        return trackers_of(self._task, self._parts.report, self._parts.keeper)

    def _train(self, trainer: GRPOTrainer, ahead: RolloutsAhead) -> None:
        found = self._folder.checkpoints.find_last()
        for name in self._parts.damaged:
            self._parts.report(Notice.of(Message("checkpoint_damaged", name=name)))
        try:
            trainer.train(resume_from_checkpoint=str(found.path) if found.path else None)
        except (StopRequested, RankLost) as error:
            self._ranks.leave(error)
            ahead.cancel()
            trainer.save_where_it_stands()
            raise

    def _compare(
        self,
        policy: Policy,
        stage: PromptStage,
        held_out: list[Row],
        adapter_digest: str,
        said: Message | None,
    ) -> dict[str, bytes] | None:
        """The pages of the comparison, which warns of what is said of training."""
        named = self._training.evaluation_dataset_digest
        evaluation = AdapterEvaluation(
            self._parts, max_new_tokens=self._config.max_new_tokens, seed=self._config.seed
        )
        return evaluation.pages(
            stage,
            lambda: self._compared_rows(policy, held_out),
            adapter_digest,
            held_out_share=None if named else self._training.evaluation_share,
            warnings=[said] if said else [],
        )

    def _store_result(
        self, policy: Policy, trainer: GRPOTrainer, pages: dict[str, bytes] | None
    ) -> str:
        folder, state = self._folder.output, trainer.state_with_history()
        compared = None if pages is None else read_comparison(self._folder.report_archive)
        write_output(
            folder,
            policy,
            spec=self._task.spec,
            training=self._training,
            state=state,
            comparison=compared,
        )
        for name, page in (pages or {}).items():
            (folder / name).write_bytes(page)
        self._parts.keeper.keep(Place.OUTPUT, sorted(folder.iterdir()))
        archive = self._folder.result_archive
        pack_files(folder.iterdir(), archive)
        self._parts.keeper.keep(Place.RESULT, [archive])
        return digest_of_file(archive)
