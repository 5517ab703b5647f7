"""GRPO on top of transformers.Trainer: its schedule, optimizer, state and checkpoints; our loss.

An optimizer step is: publish the adapter, sample and score the groups of all its forward passes
(`get_batch_samples`), then forward and backward for each (`compute_loss`). With one update per
batch the old log-probabilities are the current ones, detached.
"""

import math
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainingArguments

from learner_service import checkpoints
from learner_service.adapters import AdapterPublisher
from learner_service.dataset import Sample
from learner_service.errors import StopRequested
from learner_service.events import (
    JobPhase,
    Notice,
    PhaseChanged,
    Report,
    SamplesShown,
    StepDone,
    WorkerStarted,
)
from learner_service.groups import GroupSampler, PromptStage, ScoredGroup
from learner_service.loss import LossScale, policy_loss
from learner_service.metrics import StepSums
from learner_service.packing import PackedGroups, pack
from learner_service.policy import Policy
from learner_service.spec import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class ForwardPass:
    """The groups of one forward pass, and what its loss is divided by."""

    groups: list[ScoredGroup]
    scale: LossScale


class GRPOTrainer(Trainer):
    """Trains the policy's adapter; reports phases and steps; checkpoints are whole or not there."""

    def __init__(
        self,
        *,
        policy: Policy,
        stage: PromptStage,
        sampler: GroupSampler,
        publisher: AdapterPublisher,
        samples: list[Sample],
        training: TrainingSettings,
        folder: Path,
        checkpoints_kept: int,
        report: Report,
        stop: threading.Event,
        attempt: int,
    ) -> None:
        super().__init__(
            model=policy.model,
            args=training_arguments(training, folder / "staging", policy.device),
            train_dataset=samples,
            data_collator=list,
            callbacks=[_StartReporter(report, attempt)],
        )
        # The loss is already divided over the passes of a step.
        self.loss_is_scaled_for_ga = True
        self._policy = policy
        self._stage = stage
        self._sampler = sampler
        self._publisher = publisher
        self._training = training
        self._checkpoints = folder / "checkpoints"
        self._checkpoints.mkdir(parents=True, exist_ok=True)
        self._checkpoints_kept = checkpoints_kept
        self._report = report
        self._stop = stop
        self._sums = StepSums()
        self._step_metrics: dict[str, float] = {}
        self._step_completions = 0
        self._step_started = time.monotonic()
        self._learning_started = time.monotonic()

    def get_batch_samples(
        self, epoch_iterator: Iterator[list[Sample]], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, ForwardPass]], None]:
        """Samples and scores the groups of one optimizer step, from the current adapter."""
        self._check_stop()
        self._step_started = time.monotonic()
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._report(PhaseChanged(phase=JobPhase.ROLLOUT))
        digest = self._publisher.publish(self._policy.model)
        flat = [sample for batch in batches for sample in batch]
        seed = (self._training.seed * 1_000_003 + self.state.global_step) * len(flat) % 2**62
        step = self._sampler.sample(flat, digest, seed)
        self._report(SamplesShown(step=self.state.global_step + 1, groups=step.shown))
        self._step_metrics, self._sums = step.metrics, StepSums()
        self._step_completions = sum(len(g.group.completions) for g in step.groups)
        self._report(PhaseChanged(phase=JobPhase.LEARNING))
        self._learning_started = time.monotonic()
        return [{"forward_pass": p} for p in self._forward_passes(batches, step.groups)], None

    def _forward_passes(
        self, batches: list[list[Sample]], groups: list[ScoredGroup]
    ) -> Iterator[ForwardPass]:
        scale = LossScale(
            step_tokens=sum(len(c) for g in groups for c in g.group.completions),
            forward_passes=len(batches),
            max_new_tokens=self._training.max_new_tokens,
        )
        remaining = iter(groups)
        for batch in batches:
            yield ForwardPass(groups=[next(remaining) for _ in batch], scale=scale)

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
        packed = pack([g.group for g in groups], self._policy.pad_id)
        features = [self._stage.features(g.image_digest) for g in groups]
        temperature = self._training.temperature
        tokens = self._policy.log_probabilities(model, packed, features, temperature)
        mask = packed.completion_mask.to(tokens.logps.device)
        parts = policy_loss(
            tokens.logps,
            tokens.logps.detach(),
            torch.cat([g.advantages for g in groups]).to(tokens.logps.device),
            mask,
            loss_type=self._training.loss_type,
            scale=forward_pass.scale,
            epsilon_low=self._training.epsilon_low,
            epsilon_high=self._training.epsilon_high,
            beta=self._training.beta,
            reference_logps=self._reference_logps(model, packed, features),
        )
        if not math.isfinite(parts.loss.item()):
            raise FloatingPointError("the loss is not a finite number; try a lower learning_rate")
        self._sums.add(
            int(mask.sum()),
            entropy=_masked_mean(tokens.entropies, mask),
            kl=parts.kl_mean.item(),
            clip_low_rate=parts.clip_low_rate.item(),
            clip_high_rate=parts.clip_high_rate.item(),
            log_probability_gap=_masked_mean(
                (tokens.logps.detach() - _sampler_logps(groups, packed).to(mask.device)).abs(), mask
            ),
        )
        return parts.loss

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
        if "loss" not in logs:
            super().log(logs, start_time)
            return
        now = time.monotonic()
        logs |= self._step_metrics | self._sums.means()
        logs["learning_seconds"] = now - self._learning_started
        logs["step_seconds"] = now - self._step_started
        logs["samples_per_second"] = self._step_completions / logs["step_seconds"]
        super().log(logs, start_time)
        metrics = {key: float(value) for key, value in self.state.log_history[-1].items()}
        metrics.pop("step")
        metrics["gradient_norm"] = metrics.pop("grad_norm", 0.0)
        self._report(
            StepDone(step=self.state.global_step, total_steps=self.state.max_steps, metrics=metrics)
        )

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """transformers counts from padded token ids, of which there are none here."""
        return 0

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Lets transformers write into a staging folder, then makes the checkpoint appear whole."""
        self._report(PhaseChanged(phase=JobPhase.SAVING))
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


class _StartReporter(TrainerCallback):
    def __init__(self, report: Report, attempt: int) -> None:
        self._report = report
        self._attempt = attempt

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._report(
            WorkerStarted(
                attempt=self._attempt,
                resumed_from_step=state.global_step,
                total_steps=state.max_steps,
            )
        )


def training_arguments(
    training: TrainingSettings, staging: Path, device: torch.device
) -> TrainingArguments:
    schedule = {"constant": "constant_with_warmup"}
    name = training.learning_rate_schedule.value
    return TrainingArguments(
        output_dir=str(staging),
        num_train_epochs=training.num_epochs,
        max_steps=training.max_steps or -1,
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        learning_rate=training.learning_rate,
        lr_scheduler_type=schedule.get(name, name),
        warmup_steps=training.warmup_steps,
        seed=training.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_steps=training.save_steps,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=device.type == "cpu",
    )


def _masked_mean(values: Tensor, mask: Tensor) -> float:
    return ((values * mask).sum() / mask.sum()).item()


def _sampler_logps(groups: list[ScoredGroup], packed: PackedGroups) -> Tensor:
    logps = torch.zeros(packed.target_ids.shape)
    rows = [row for group in groups for row in group.sampler_logps]
    for number, row in enumerate(rows):
        logps[number, : len(row)] = torch.tensor(row)
    return logps
