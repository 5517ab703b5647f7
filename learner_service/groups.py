"""Samples to scored groups: prompts, rollouts, rewards and advantages of one optimizer step."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from learner_service.advantages import group_advantages
from learner_service.background import BackgroundLoop
from learner_service.blob_store import BlobStore
from learner_service.dataset import Sample
from learner_service.metrics import score_metrics
from learner_service.packing import Group
from learner_service.policy import Policy
from learner_service.prompts import Prompter
from learner_service.rewards import RewardClient, Score
from learner_service.rollouts import Completion, Prompt, RolloutClient, Sampling
from learner_service.shown import shown_groups
from learner_service.spec import RewardWeight, TrainingSettings


@dataclass(frozen=True, kw_only=True)
class ScoredGroup:
    """A group ready to learn from; sampler_logps are the engine's, one list per completion."""

    group: Group
    image_digest: str
    advantages: Tensor  # [G]
    sampler_logps: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ScoredStep:
    """The groups of one optimizer step, and what was measured on the way."""

    groups: list[ScoredGroup]
    metrics: dict[str, float]
    shown: list[dict[str, Any]]


class PromptStage(Prompter):
    """Turns samples into prompts, and opens their staged images."""

    def __init__(self, policy: Policy, store: BlobStore) -> None:
        super().__init__(policy.tokenizer, policy.image_token_id, policy.image_grid)
        self._store = store
        self._policy = policy

    def position_ids(self, prompt: Prompt, sample: Sample) -> Tensor:
        patch = self.grid.patch_pixels
        grid_thw = (1, sample.height // patch, sample.width // patch)
        return self._policy.position_ids(prompt.token_ids, grid_thw)

    def features(self, digest: str) -> Tensor:
        """Vision features of a staged image, [image tokens, H]; decoded only where not kept."""
        return self._policy.features(digest, lambda: self._open(digest))

    def _open(self, digest: str) -> Image.Image:
        with Image.open(self._store.path(digest)) as image:
            return image.convert("RGB")


class GroupSampler:
    """Asks for the completions of a step's samples and scores them."""

    def __init__(
        self,
        *,
        stage: PromptStage,
        rollouts: RolloutClient,
        rewards: RewardClient,
        loop: BackgroundLoop,
        training: TrainingSettings,
        reward_weights: Sequence[RewardWeight],
    ) -> None:
        self._stage = stage
        self._rollouts = rollouts
        self._rewards = rewards
        self._loop = loop
        self._training = training
        self._reward_weights = tuple(reward_weights)

    def sample(self, samples: Sequence[Sample], adapter_digest: str, seed: int) -> ScoredStep:
        """`seed` makes the step's completions repeatable: each prompt gets one of its own."""
        started = time.monotonic()
        prompts = [self._stage.prompt(s, seed + number) for number, s in enumerate(samples)]
        sampling = Sampling(
            num_completions=self._training.num_generations,
            temperature=self._training.temperature,
            max_new_tokens=self._training.max_new_tokens,
        )
        completions_P_G = self._loop.run(self._rollouts.generate(prompts, adapter_digest, sampling))
        sampled = time.monotonic()
        texts = [self._stage.answer(c) for group in completions_P_G for c in group]
        scores = self._loop.run(self._scores(samples, texts))
        rewards_P_G = torch.tensor([s.reward for s in scores]).view(len(samples), -1)
        advantages_P_G = group_advantages(rewards_P_G, self._training.advantage_scale)
        lengths = [float(len(c.token_ids)) for group in completions_P_G for c in group]
        return ScoredStep(
            groups=[
                self._group(*row)
                for row in zip(samples, prompts, completions_P_G, advantages_P_G, strict=True)
            ],
            metrics={
                **score_metrics(scores, rewards_P_G),
                "completion_length_mean": sum(lengths) / len(lengths),
                "rollout_seconds": sampled - started,
                "reward_seconds": time.monotonic() - sampled,
            },
            shown=shown_groups(samples, texts, scores),
        )

    async def _scores(self, samples: Sequence[Sample], texts: Sequence[str]) -> list[Score]:
        true_counts = [s.true_count for s in samples for _ in range(self._training.num_generations)]
        return await self._rewards.score(texts, true_counts, self._reward_weights)

    def _group(
        self, sample: Sample, prompt: Prompt, completions: list[Completion], advantages: Tensor
    ) -> ScoredGroup:
        return ScoredGroup(
            group=Group(
                prompt_ids=prompt.token_ids,
                position_ids=self._stage.position_ids(prompt, sample),
                completions=[c.token_ids for c in completions],
            ),
            image_digest=sample.image_digest,
            advantages=advantages,
            sampler_logps=tuple(c.log_probabilities for c in completions),
        )
