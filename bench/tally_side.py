"""Our side of the learner: the trainer itself, with completions and advantages given to it.

`learn` runs what a job's worker runs between two rollouts: GRPOTrainer.compute_loss, backward,
clipping and the optimizer.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.scenes import Example
from bench.stepping import optimizer_step
from learner_service.blobs.blob_store import BlobStore
from learner_service.data.dataset import Row
from learner_service.data.images import to_png
from learner_service.events import Event
from learner_service.grpo.groups import PromptStage, PublishedAdapter, ScoredGroup
from learner_service.grpo.loss import LossScale
from learner_service.grpo.passes import ForwardPass, WholeStep
from learner_service.grpo.trainer import GRPOTrainer
from learner_service.phases import Phases
from learner_service.policy.packing import Group
from learner_service.policy.policy import Policy, PolicySettings
from tally.job.choices import LossType
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
    device: str = "cpu"
    seed: int = 43


class TallySide:
    """A GRPOTrainer that is ready to step; `folder` takes blobs and what it writes."""

    def __init__(self, settings: TallySettings, folder: Path) -> None:
        self.settings = settings
        self.policy = Policy(_policy_settings(settings), _lora(settings))
        self._store = BlobStore(folder / "blobs")
        self._stage = PromptStage(self.policy, self._store)
        self._training = _training(settings)
        self.trainer = GRPOTrainer(
            policy=self.policy,
            stage=self._stage,
            ahead=None,
            publisher=None,
            rows=[None],
            training=self._training,
            corrected=False,
            folder=folder,
            checkpoints_kept=2,
            report=_ignore,
            phases=Phases(_ignore),
            stop=threading.Event(),
            attempt=1,
        )

    def inputs(
        self,
        examples: Sequence[Example],
        completions_P_G: Sequence[Sequence[Sequence[int]]],
        advantages_P_G: Tensor,
    ) -> dict[str, Any]:
        """One forward pass over these groups, as `get_batch_samples` would hand it on."""
        groups = [self._group(*row) for row in zip(examples, completions_P_G, strict=True)]
        scale = LossScale(
            step_tokens=sum(len(c) for completions in completions_P_G for c in completions),
            forward_passes=1,
            max_new_tokens=self.settings.max_new_tokens,
        )
        forward_pass = ForwardPass(
            groups=groups,
            advantages=advantages_P_G.flatten(),
            num_skipped=0,
            scale=scale,
            kept_share=1.0,
            step=WholeStep(groups=groups, gradient_factor=1.0),
        )
        return {"forward_pass": forward_pass}

    def loss(self, inputs: dict[str, Any]) -> Tensor:
        """The loss of one forward pass, ready for `.backward()`."""
        return self.trainer.compute_loss(self.trainer.model, inputs)

    def learn(self, inputs: dict[str, Any]) -> float:
        """Forward, backward and optimizer on what `inputs` made; returns the loss."""
        self.trainer._begin_step()
        return optimizer_step(self.trainer, [inputs])

    def _group(self, example: Example, completions: Sequence[Sequence[int]]) -> ScoredGroup:
        row = Row(
            number=0,
            question=example.question,
            true_count=example.true_count,
            image_digest=self._store.put_bytes(to_png(example.image)),
            width=example.image.width,
            height=example.image.height,
        )
        prompt = self._stage.prompt(row, seed=0)
        return ScoredGroup(
            group=Group(
                prompt_ids=prompt.token_ids,
                position_ids=self._stage.position_ids(prompt, row),
                completions=completions,
            ),
            row=row,
            texts=(),
            adapter=PublishedAdapter(digest="", step=0),
            sampler_logps=tuple((0.0,) * len(c) for c in completions),
            scores=(),
            first_scores=(),
            refills=0,
            sampled_tokens=0,
            asked_at=0.0,
            sampled_at=0.0,
            scored_at=0.0,
        )


def _ignore(event: Event) -> None:
    """Nobody listens."""


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
        learning_rate_schedule="constant",
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
