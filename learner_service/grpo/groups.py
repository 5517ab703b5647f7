"""A row to a scored group: prompt, rollouts and rewards."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.rewards import RewardClient, Score
from learner_service.clients.rollouts import Prompt, RolloutClient, Sampling
from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.grpo.scoring import BatchScorer
from learner_service.policy.packing import Group
from learner_service.policy.policy import Policy
from tally.job.choices import ZeroVarianceGroups
from tally.job.settings import RewardWeight, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class PublishedAdapter:
    """What completions are sampled with; `step` counts the optimizer steps behind it."""

    digest: str
    step: int


@dataclass(frozen=True, kw_only=True)
class ScoredGroup:
    """A group as it was sampled and scored; times are those of time.monotonic().

    `first_scores` are those of the row that the step began with, `scores` those of the row that
    took its place after `refills` tries.
    """

    row: Row
    group: Group
    texts: tuple[str, ...]
    adapter: PublishedAdapter
    scores: tuple[Score, ...]
    first_scores: tuple[Score, ...]
    refills: int
    sampled_tokens: int  # of all tries
    asked_at: float
    sampled_at: float
    scored_at: float

    @property
    def image_digest(self) -> str:
        return self.row.image_digest

    @property
    def rewards(self) -> list[float]:
        return [score.reward for score in self.scores]

    @property
    def has_variance(self) -> bool:
        return len(set(self.rewards)) > 1

    @property
    def num_tokens(self) -> int:
        return sum(len(completion) for completion in self.group.completions)

    def to_report(self, start: float) -> "ScoredGroup":
        """What is said of it, without what is only learnt from; its times count from `start`.

        The clocks of different hosts have nothing in common.
        """
        return replace(
            self,
            group=replace(self.group, prompt_ids=[], position_ids=torch.zeros(0), sampler_logps=[]),
            asked_at=self.asked_at - start,
            sampled_at=self.sampled_at - start,
            scored_at=self.scored_at - start,
        )


class PromptStage(Prompter):
    """Turns rows into prompts, and opens their staged images."""

    def __init__(self, policy: Policy, store: BlobStore) -> None:
        super().__init__(
            policy.tokenizer,
            policy.image_token_id,
            policy.image_grid,
            policy.family.closing_text,
        )
        self._store = store
        self._policy = policy

    def position_ids(self, prompt: Prompt, row: Row) -> Tensor:
        return self._policy.position_ids(prompt.token_ids, self.grid.patches(row.width, row.height))

    def features(self, digests: Sequence[str]) -> list[Tensor]:
        """Vision features of staged images, one row a token; decoded only where not kept."""
        return self._policy.features(digests, self._open)

    def _open(self, digest: str) -> Image.Image:
        with Image.open(self._store.path(digest)) as image:
            return image.convert("RGB")


class GroupSampler:
    """Asks for the completions of one row and scores them; several at once share scoring."""

    def __init__(
        self,
        *,
        stage: PromptStage,
        rollouts: RolloutClient,
        rewards: RewardClient,
        training: TrainingConfig,
        reward_weights: Sequence[RewardWeight],
    ) -> None:
        self._stage = stage
        self._rollouts = rollouts
        self._training = training
        weights = tuple(reward_weights)
        self._scorer = BatchScorer(lambda texts, counts: rewards.score(texts, counts, weights))

    @property
    def tries(self) -> int:
        """How many rows one place of a step may ask for."""
        refills = self._training.zero_variance_groups is ZeroVarianceGroups.REFILL
        return 1 + self._training.refill_rounds * refills

    async def sample(
        self, candidates: Sequence[Row], adapter: PublishedAdapter, seed: int
    ) -> ScoredGroup:
        """The first candidate's group whose rewards differ; the last one's where none does."""
        asked_at = time.monotonic()
        first = group = await self._sample(candidates[0], adapter, seed, asked_at)
        for number, candidate in enumerate(candidates[1 : self.tries], start=1):
            if group.has_variance:
                break
            tokens = group.sampled_tokens
            group = await self._sample(candidate, adapter, seed + number * 2**48, asked_at)
            group = replace(
                group,
                first_scores=first.scores,
                refills=number,
                sampled_tokens=tokens + group.sampled_tokens,
            )
        return group

    async def _sample(
        self, row: Row, adapter: PublishedAdapter, seed: int, asked_at: float
    ) -> ScoredGroup:
        prompt = self._stage.prompt(row, seed % 2**62)
        sampling = Sampling(
            num_completions=self._training.num_generations,
            temperature=self._training.temperature,
            max_new_tokens=self._training.max_new_tokens,
        )
        with self._scorer.expect_group():
            [completions] = await self._rollouts.generate([prompt], adapter.digest, sampling)
        sampled_at = time.monotonic()
        texts = [self._stage.answer(completion) for completion in completions]
        scores = await self._scorer.score(texts, [row.true_count] * len(texts))
        return ScoredGroup(
            row=row,
            group=Group(
                prompt_ids=prompt.token_ids,
                position_ids=self._stage.position_ids(prompt, row),
                completions=[c.token_ids for c in completions],
                sampler_logps=[c.log_probabilities for c in completions],
            ),
            texts=tuple(texts),
            adapter=adapter,
            scores=tuple(scores),
            first_scores=tuple(scores),
            refills=0,
            sampled_tokens=sum(len(c.token_ids) for c in completions),
            asked_at=asked_at,
            sampled_at=sampled_at,
            scored_at=time.monotonic(),
        )
