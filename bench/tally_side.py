"""Our side of the learner: StepLearner itself, with completions and advantages given to it.

`learn` runs what a job's worker runs between two rollouts: forward and backward, clipping and the
optimizer that transformers makes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer

from bench.scenes import Example
from learner_service.blobs.blob_store import BlobStore
from learner_service.data.dataset import Row
from learner_service.data.images import to_png
from learner_service.grpo.forward_pass import ForwardPass
from learner_service.grpo.groups import PromptStage
from learner_service.grpo.losses.loss import LossScale
from learner_service.grpo.step import StepLearner
from learner_service.grpo.training_arguments import training_arguments
from learner_service.policy.packing import Group
from learner_service.policy.policy import Policy, PolicySettings
from learner_service.ranks import Ranks
from tally.job.choices import LearningRateSchedule, LossType
from tally.job.settings import LoraConfig, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class TallySettings:
    """The settings of TrlSettings, by Tally's names."""

    model_path: Path
    num_generations: int = 8
    prompts_per_pass: int = 1
    max_new_tokens: int = 16
    temperature: float = 1.0
    learning_rate: float = 1e-3
    loss_type: LossType = LossType.DAPO
    beta: float = 0.0
    lora_r: int = 16
    lora_alpha: float = 32
    lora_dropout: float = 0.0
    dtype: str = "float32"
    use_4bit: bool = False
    gradient_checkpointing: bool = False
    sharded: bool = False
    device: str = "cpu"
    seed: int = 43


class TallySide:
    """A StepLearner and an optimizer that are ready to step; `folder` takes blobs."""

    def __init__(self, settings: TallySettings, folder: Path, ranks: Ranks | None = None) -> None:
        self.settings = settings
        self._ranks = ranks or Ranks.alone()
        self.policy = Policy(
            _policy_settings(settings),
            _lora(settings),
            sharded_over=self._ranks if settings.sharded else None,
        )
        # As transformers' Trainer does: without it gradient checkpointing is off.
        self.policy.model.train()
        self.store = BlobStore(folder / "blobs")
        self.stage = PromptStage(self.policy, self.store)
        self.learner = self.learner_with()
        self._arguments = training_arguments(
            _training(settings), folder / "staging", self.policy.device
        )
        kind, options = Trainer.get_optimizer_cls_and_kwargs(self._arguments)
        self._optimizer: torch.optim.Optimizer = kind(self.learner.parameters, **options)

    def learner_with(self, **changes: Any) -> StepLearner:
        """One on the same policy, with other settings of training."""
        training = _training(self.settings).model_copy(update=changes)
        return StepLearner(self.policy, self.stage.features, training, ranks=self._ranks)

    def forward_pass(
        self,
        examples: Sequence[Example],
        completions_P_G: Sequence[Sequence[Sequence[int]]],
        advantages_P_G: Tensor,
    ) -> ForwardPass:
        """One forward pass over these groups, which is a whole step."""
        staged = [self.stage_example(example) for example in examples]
        return ForwardPass(
            groups=[self._group(*row) for row in zip(staged, completions_P_G, strict=True)],
            image_digests=[row.image_digest for row in staged],
            advantages=advantages_P_G.flatten(),
            scale=LossScale(
                step_tokens=sum(len(c) for completions in completions_P_G for c in completions),
                forward_passes=1,
                max_new_tokens=self.settings.max_new_tokens,
            ),
        )

    def learn(self, forward_pass: ForwardPass) -> float:
        """Forward, backward and optimizer; returns the loss."""
        return self.step([forward_pass])

    def learn_anew(self, forward_pass: ForwardPass) -> float:
        """As `learn` in a job's first epoch, which has to encode its images."""
        self.policy.forget_features()
        return self.learn(forward_pass)

    def step(self, forward_passes: Sequence[ForwardPass]) -> float:
        """As `learn`, of several; where there are other processes, those that fall to this one."""
        for forward_pass in forward_passes:
            self.learner.learn(forward_pass)
        loss = self.learner.finish().loss.item()
        torch.nn.utils.clip_grad_norm_(self.learner.parameters, self._arguments.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss

    def stage_example(self, example: Example) -> Row:
        return Row(
            number=0,
            question=example.question,
            true_count=example.true_count,
            image_digest=self.store.put_bytes(to_png(example.image)),
            width=example.image.width,
            height=example.image.height,
        )

    def _group(self, row: Row, completions: Sequence[Sequence[int]]) -> Group:
        prompt = self.stage.prompt(row, seed=0)
        return Group(
            prompt_ids=prompt.token_ids,
            position_ids=self.stage.position_ids(prompt, row),
            completions=completions,
            sampler_logps=[[0.0] * len(completion) for completion in completions],
        )


def _policy_settings(settings: TallySettings) -> PolicySettings:
    return PolicySettings(
        source=str(settings.model_path),
        device=settings.device,
        dtype=getattr(torch, settings.dtype),
        use_4bit=settings.use_4bit,
        seed=settings.seed,
        feature_cache_bytes=10**9,
        gradient_checkpointing=settings.gradient_checkpointing,
    )


def _lora(settings: TallySettings) -> LoraConfig:
    return LoraConfig(
        r=settings.lora_r, lora_alpha=settings.lora_alpha, lora_dropout=settings.lora_dropout
    )


def _training(settings: TallySettings) -> TrainingConfig:
    return TrainingConfig(
        learning_rate=settings.learning_rate,
        learning_rate_schedule=LearningRateSchedule.CONSTANT,
        batch_size=settings.prompts_per_pass,
        gradient_accumulation_steps=1,
        num_generations=settings.num_generations,
        temperature=settings.temperature,
        use_4bit=settings.use_4bit,
        max_new_tokens=settings.max_new_tokens,
        beta=settings.beta,
        loss_type=settings.loss_type,
        max_steps=1_000_000,
        seed=settings.seed,
    )
