"""GRPO on top of transformers.Trainer: its schedule, optimizer, state and checkpoints; our loss.

An optimizer step is: publish the adapter and ask for groups (`get_batch_samples`), then forward and
backward for each pass as soon as its groups are sampled and scored (`training_step`,
`compute_loss`). With one update per batch the old log-probabilities are the current ones, detached.
"""

import math
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainerState

from learner_service.data.dataset import Row
from learner_service.errors import StopRequested
from learner_service.events import JobPhase, Notice, Report, SamplesShown, StepDone
from learner_service.grpo.groups import PromptStage, PublishedAdapter
from learner_service.grpo.importance import importance_weights
from learner_service.grpo.loss import policy_loss
from learner_service.grpo.passes import ForwardPass, StepPasses, WholeStep
from learner_service.grpo.rollouts_ahead import RolloutsAhead
from learner_service.grpo.shown import shown_groups
from learner_service.grpo.start_reporter import StartReporter
from learner_service.grpo.step_meter import StepMeter
from learner_service.grpo.training_arguments import training_arguments
from learner_service.grpo.waiting import Waiting
from learner_service.job_folder import checkpoints
from learner_service.job_folder.history import StepHistory
from learner_service.phases import Phases
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.packing import PackedGroups, pack
from learner_service.policy.policy import Policy
from learner_service.policy.threads import worthwhile_threads
from learner_service.tracking.trackers import Trackers
from tally.job.settings import TrainingConfig


class GRPOTrainer(Trainer):
    """Trains the policy's adapter; reports phases and steps; checkpoints are whole or not there.

    `corrected` says whether token losses get truncated importance weights.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        stage: PromptStage,
        ahead: RolloutsAhead,
        publisher: AdapterPublisher,
        rows: list[Row],
        training: TrainingConfig,
        corrected: bool,
        folder: Path,
        checkpoints_kept: int,
        report: Report,
        phases: Phases,
        stop: threading.Event,
        attempt: int,
        trackers: Trackers | None = None,
    ) -> None:
        self._history = StepHistory(folder / "history.jsonl")
        super().__init__(
            model=policy.model,
            args=training_arguments(training, folder / "staging", policy.device),
            train_dataset=rows,
            data_collator=list,
            callbacks=[
                StartReporter(report, attempt, self._history),
                *([trackers] if trackers else []),
            ],
        )
        self.remove_callback(PrinterCallback)
        self._policy = policy
        self._stage = stage
        self._ahead = ahead
        self._publisher = publisher
        self._training = training
        self._corrected = corrected
        self._checkpoints = folder / "checkpoints"
        self._checkpoints.mkdir(parents=True, exist_ok=True)
        self._checkpoints_kept = checkpoints_kept
        self._report = report
        self._phases = phases
        self._stop = stop
        self._trackers = trackers
        self._trained = [p for p in policy.model.parameters() if p.requires_grad]
        self._begin_step()

    def _begin_step(self) -> None:
        self._meter = StepMeter()
        self._step_loss = torch.zeros((), device=self._policy.device)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As transformers', and closes the trackers however it ends."""
        finished = False
        try:
            output = super().train(*args, **kwargs)
            finished = True
        finally:
            if self._trackers:
                self._trackers.close(finished)
        return output

    def get_batch_samples(
        self, epoch_iterator: Iterator[list[Row]], num_batches: int, device: torch.device
    ) -> tuple[StepPasses, None]:
        """Asks for what may be sampled now, and returns the passes of the step that is due.

        Which rows a step has is RolloutsAhead's to say, ahead of `epoch_iterator`.
        """
        self._check_stop()
        self._begin_step()
        step, end = self.state.global_step, self.state.max_steps
        if self._ahead.has_more_to_ask(step, end):
            digest = self._publisher.publish(self._policy.model)
            self._ahead.ask(step, end, PublishedAdapter(digest=digest, step=step))
        rollouts = self._ahead.take()
        waiting = Waiting(rollouts, self._stage, self._phases, self._meter, self._check_stop)
        passes = StepPasses(rollouts, self._training, waiting.before, waiting.after)
        self._meter.learning_begins()
        return passes, None

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, ForwardPass],
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Forward and backward of one pass. The last one returns the loss of the step, others 0."""
        forward_pass = inputs["forward_pass"]
        self._meter.skipped_groups += forward_pass.num_skipped
        if forward_pass.groups:
            self._step_loss += self._learnt(model, inputs)
        if forward_pass.step is None:
            return torch.zeros_like(self._step_loss)
        return self._finished(forward_pass.step)

    def _learnt(self, model: torch.nn.Module, inputs: dict[str, ForwardPass]) -> Tensor:
        """Adds to the gradients. The loss is already divided over the passes of a step.

        transformers would walk through all modules of the model for each pass.
        """
        if not model.training:
            model.train()
        groups = [scored.group for scored in inputs["forward_pass"].groups]
        tokens = sum(len(ids) for g in groups for ids in (g.prompt_ids, *g.completions))
        with worthwhile_threads(self._policy.device, tokens, self._policy.hidden_size):
            loss = self.compute_loss(model, inputs)
            self.accelerator.backward(loss)
        return loss.detach()

    def _clip_grad_norm(self, model: torch.nn.Module) -> Tensor:
        """As transformers', over the adapter alone: nothing else has gradients."""
        return self.accelerator.clip_grad_norm_(self._trained, self.args.max_grad_norm)

    def _finished(self, step: WholeStep) -> Tensor:
        """Brings loss and gradients to the scale of the whole step; nothing learnt is 0."""
        loss = self._step_loss * step.gradient_factor
        if not math.isfinite(loss.item()):
            raise FloatingPointError("the loss is not a finite number; try a lower learning_rate")
        for parameter in self._trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if step.gradient_factor != 1:
            torch._foreach_mul_([p.grad for p in self._trained], step.gradient_factor)
        self._step_groups = step.groups
        shown = SamplesShown(step=self.state.global_step + 1, groups=shown_groups(step.groups))
        self._report(shown)
        return loss

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, ForwardPass],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """The loss of one forward pass over its groups, each prompt once."""
        self._check_stop()
        forward_pass = inputs["forward_pass"]
        groups = forward_pass.groups
        packed = pack([g.group for g in groups])
        features = self._stage.features([g.image_digest for g in groups])
        temperature = self._training.temperature
        tokens = self._policy.log_probabilities(model, packed, features, temperature)
        device = tokens.logps.device
        mask = packed.completion_mask.to(device)
        old_logps = tokens.logps.detach()
        sampler_logps = forward_pass.sampler_logps(packed.target_ids.shape).to(device)
        importance = importance_weights(old_logps, sampler_logps, self._training.importance_cap)
        parts = policy_loss(
            tokens.logps,
            old_logps,
            forward_pass.advantages.to(device),
            mask,
            loss_type=self._training.loss_type,
            scale=forward_pass.scale,
            epsilon_low=self._training.epsilon_low,
            epsilon_high=self._training.epsilon_high,
            beta=self._training.beta,
            reference_logps=self._reference_logps(model, packed, features),
            importance_weights=importance.weights if self._corrected else None,
        )
        self._meter.add_pass(
            mask=mask,
            entropies=tokens.entropies,
            gaps=(old_logps - sampler_logps).abs(),
            parts=parts,
            importance=importance,
        )
        return parts.loss * forward_pass.kept_share

    def _reference_logps(
        self, model: torch.nn.Module, packed: PackedGroups, features: list[Tensor]
    ) -> Tensor | None:
        """The base model's, which is the policy with its adapter off; None where beta is 0."""
        if self._training.beta == 0:
            return None
        with torch.no_grad(), self._policy.model.disable_adapter():
            return self._policy.log_probabilities(
                model, packed, features, self._training.temperature
            ).logps

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds what this step measured to transformers' own record, and reports the step."""
        is_step = "loss" in logs
        metrics = (
            self._meter.metrics(self._step_groups, self.state.global_step - 1) if is_step else {}
        )
        logs |= {name: value for name, value in metrics.items() if math.isfinite(value)}
        super().log(logs, start_time)
        entry = self.state.log_history.pop()
        self._history.append(entry)
        if is_step:
            self._report_step({k: float(v) for k, v in (metrics | entry).items()})

    def _report_step(self, metrics: dict[str, float]) -> None:
        metrics.pop("step")
        metrics["gradient_norm"] = metrics.pop("grad_norm", 0.0)
        self._report(
            StepDone(step=self.state.global_step, total_steps=self.state.max_steps, metrics=metrics)
        )

    def state_with_history(self) -> TrainerState:
        """What transformers would have kept in memory."""
        return replace(self.state, log_history=self._history.entries())

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """transformers counts from padded token ids, of which there are none here."""
        return 0

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Lets transformers write into a staging folder, then makes the checkpoint appear whole."""
        self._phases.enter(JobPhase.SAVING)
        shutil.rmtree(self.args.output_dir, ignore_errors=True)
        try:
            super()._save_checkpoint(model, trial)
            staged = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            checkpoints.commit(staged, self._checkpoints)
        except OSError as error:
            # The earlier checkpoints are whole; training goes on and the next save tries again.
            self._report(Notice(message=f"checkpoint not written: {error.strerror}"))
            return
        checkpoints.prune(self._checkpoints, self._checkpoints_kept)

    def save_where_it_stands(self) -> None:
        """Writes a checkpoint of the last whole step, unless there is one already."""
        if self.state.global_step > checkpoints.find_last(self._checkpoints).step:
            self._save_checkpoint(self.model, trial=None)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise StopRequested
