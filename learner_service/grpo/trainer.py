"""GRPO on top of transformers.Trainer: its schedule, optimizer, state and checkpoints; our step.

One step n of a job with a staleness of k:

    get_batch_samples   publish the adapter, ask for the groups of step n + k
                        take step n, which was asked for k steps ago
                            │ its groups arrive in any order, sampled and scored
                            ▼ and are taken in the order of the data
    training_step       pass 1, pass 2, …: each as soon as its own groups are there
                            │ StepLearner adds up loss and gradients
                            ▼ after the last pass: over all processes, to the scale of the step
    transformers        clip, optimizer, schedule, log, and every save_steps a checkpoint

Where several processes share a job, each does all of it with passes of its own; the first alone
publishes, reports and saves. transformers knows of one process.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainerState

from learner_service.data.dataset import Row
from learner_service.errors import StopRequested
from learner_service.events import JobPhase, Report, SamplesShown
from learner_service.grpo.checkpoint_writer import CheckpointWriter
from learner_service.grpo.group_wait import GroupWait
from learner_service.grpo.groups import PromptStage
from learner_service.grpo.held_out_evaluation import history_figures
from learner_service.grpo.meeting import Meeting
from learner_service.grpo.passes import StepPasses
from learner_service.grpo.recent_adapters import RecentAdapters
from learner_service.grpo.rollouts_ahead import RolloutsAhead
from learner_service.grpo.run_end import RunEnd
from learner_service.grpo.shown_groups import shown_groups
from learner_service.grpo.start_reporter import StartReporter
from learner_service.grpo.step import StepLearner
from learner_service.grpo.step_meter import StepMeter
from learner_service.grpo.step_record import StepRecord
from learner_service.grpo.training_arguments import training_arguments
from learner_service.job_folder.keeper import Keeper
from learner_service.job_folder.layout import JobFolder
from learner_service.phases import Phases
from learner_service.policy.adapters import AdapterPublisher
from learner_service.room_wait import RoomWait
from learner_service.tracking.trackers import Trackers
from tally.job.metrics import flat_figures
from tally.job.settings import TrainingConfig


class GRPOTrainer(Trainer):
    """Trains the policy's adapter; reports phases and steps; checkpoints are whole or not there.

    Example, with the parts that a worker makes (learner_service/worker/training_job.py):
        >>> trainer = GRPOTrainer(
        ...     learner=learner, stage=stage, ahead=ahead, publisher=publisher,
        ...     rows=rows,
        ...     training=training,
        ...     folder=folder,
        ...     checkpoints_kept=2,
        ...     complete_checkpoint=lambda folder: None,
        ...     report=report,
        ...     phases=phases,
        ...     stop=stop,
        ...     keeper=Keeper(),
        ...     run_end=run_end,
        ... )
        >>> trainer.train().global_step == training.max_steps
        True
        >>> trainer.save_where_it_stands()
        >>> [path.name for path in folder.checkpoints.path.iterdir()]
        ['checkpoint-2']
    """

    def __init__(
        self,
        *,
        learner: StepLearner,
        stage: PromptStage,
        ahead: RolloutsAhead,
        publisher: AdapterPublisher,
        rows: list[Row],
        training: TrainingConfig,
        folder: JobFolder,
        checkpoints_kept: int,
        complete_checkpoint: Callable[[Path], None],
        report: Report,
        phases: Phases,
        stop: threading.Event,
        keeper: Keeper,
        run_end: RunEnd,
        trackers: Trackers | None = None,
    ) -> None:
        self._checkpoints = CheckpointWriter(
            folder, keeper, checkpoints_kept, report, complete_checkpoint
        )
        self._room = RoomWait(report, stop)
        self._ranks = learner.ranks
        self._record = StepRecord(folder.history, keeper, self._room, report)
        starts = [StartReporter(report, keeper, folder.history)] if self._ranks.is_first else []
        super().__init__(
            model=learner.policy.model,
            args=training_arguments(training, self._checkpoints.staging, learner.policy.device),
            train_dataset=rows,
            data_collator=lambda rows: {"rows": rows},  # which nobody reads
            callbacks=[*starts, *run_end.callbacks, *([trackers] if trackers else [])],
        )
        self.remove_callback(PrinterCallback)
        self._learner = learner
        self._stage = stage
        self._ahead = ahead
        self._adapters = RecentAdapters(publisher, training.staleness, self._ranks, self._room)
        self._training = training
        self._report = report
        self._phases = phases
        self._stop = stop
        self._evaluation = run_end.evaluation
        self._trackers = trackers
        self._meeting = Meeting(self._ranks, stop)

    def train(self, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As transformers', and closes the trackers however it ends."""
        checkpoint = Path(resume_from_checkpoint) if resume_from_checkpoint else None
        self._ahead.go_on_with(checkpoint, self._adapters.load(checkpoint))
        finished = False
        try:
            output = super().train(resume_from_checkpoint, *args, **kwargs)
            finished = True
        finally:
            self._meeting.traces.close()
            if self._trackers:
                self._trackers.close(finished)
        return output

    def get_batch_samples(
        self, epoch_iterator: Iterator[list[Row]], num_batches: int, device: torch.device
    ) -> tuple[Any, None]:
        """Asks for what may be sampled now, and returns the StepPasses of the step that is due,
        if any is. Which rows it has is not `epoch_iterator`'s but RolloutsAhead's to say.
        """
        step, end = self.state.global_step, self.state.max_steps
        self._meeting.begin(step, self._ahead.to_ask(step, end))
        if self._evaluation.is_missing(step, end):
            self.evaluate()
        self._meter = StepMeter()
        if step >= end or self.control.should_training_stop:
            return (), None
        if self._ahead.to_ask(step, end):
            adapter = self._adapters.publish(self._learner.policy.model, step)
            self._meter.begin_learning()  # where jobs sample inside, by reading prompts
            self._ahead.ask(step, end, adapter, self._meeting.traces.within)
        rollouts = self._ahead.take()
        wait = GroupWait(rollouts, self._stage, self._phases, self._check_stop)
        self._passes = StepPasses(rollouts, self._training, wait, self._ranks)
        return self._passes, None

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Forward and backward of one pass; `inputs` are PassInputs.

        The last one of a step returns the step's loss, the others 0.
        """
        self._check_stop()
        loss = self._learner.learn(inputs["forward_pass"])
        return self._finish() if inputs["is_last"] else torch.zeros_like(loss)

    def _finish(self) -> Tensor:
        self._whole_step = self._passes.whole_step()
        self._learnt = self._learner.finish(self._whole_step.gradient_factor)
        if self._ranks.is_first:
            groups = shown_groups(self._whole_step.groups)
            self._report(SamplesShown(step=self.state.global_step + 1, groups=groups))
        return self._learnt.loss

    def _clip_grad_norm(self, model: torch.nn.Module) -> Tensor:
        """As transformers', over the adapter alone: nothing else has gradients."""
        norm: Tensor = self.accelerator.clip_grad_norm_(
            self._learner.parameters, self.args.max_grad_norm
        )
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds what this step measured to transformers' own record, and reports the step."""
        is_step = "loss" in logs
        before = self.state.global_step - 1
        measured = self._meter.metrics(self._whole_step, self._learnt, before) if is_step else {}
        logs |= flat_figures(measured)
        super().log(logs, start_time)
        entry = self.state.log_history.pop()
        if is_step:
            self._ahead.note(before, self._whole_step.groups)
        if not self._ranks.is_first:
            return
        self._record.write(entry)
        if is_step:
            self._record.report_step(self.state, measured, entry, self._whole_step, self._learnt)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """In place of transformers' own, on what the job holds out."""
        self._phases.enter(JobPhase.EVALUATING)
        digest = self._adapters.make_known(self._learner.policy.model)
        scored = self._evaluation.score(self.state.global_step, digest)
        figures = history_figures(scored)
        self.log(dict(figures))
        self.control.should_evaluate = False  # an epoch's end looks again
        self.control.should_save |= scored.is_best
        self.control.should_training_stop |= self._evaluation.has_stalled
        if self._ranks.is_first:
            self._report(scored)
        return figures

    def state_with_history(self) -> TrainerState:
        """What transformers would have kept in memory."""
        return self._record.with_history(self.state)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """transformers counts from padded token ids, of which there are none here."""
        return 0

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Lets transformers write into a staging folder, then makes the checkpoint appear whole."""
        if not self._ranks.is_first:
            return
        self._phases.enter(JobPhase.SAVING)
        write, step = super()._save_checkpoint, self.state.global_step
        staging = self._checkpoints.staging_of(step)

        def write_all() -> None:
            write(model, trial)
            self._adapters.save(staging, self._learner.policy.model)
            self._ahead.save(staging)

        self._checkpoints.save(step, write_all)

    def save_where_it_stands(self) -> None:
        """The first process writes a checkpoint of the last whole step, unless there is one."""
        if self._ranks.is_first and self.state.global_step > self._checkpoints.last_step:
            self._save_checkpoint(self._learner.policy.model, trial=None)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise StopRequested
