"""A row to a scored group: prompt, rollouts and rewards."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.rewards import RewardClient, Score
from learner_service.clients.rollouts import Completion, Prompt, Rollouts, Sampling
from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.grpo.losses.loss import Size
from learner_service.grpo.scoring import BatchScorer
from learner_service.grpo.written_sets import OutsideAnswers, WrittenSet
from learner_service.policy.packing import Group
from learner_service.policy.policy import Policy
from tally.job.choices import ZeroVarianceGroups
from tally.job.prompt_template import PLAIN, PromptTemplate
from tally.job.settings import RewardWeight, TrainingConfig
from tally.traces.spans import span


@dataclass(frozen=True, kw_only=True)
class PublishedAdapter:
    """What completions are sampled with; `step` counts the optimizer steps behind it."""

    digest: str
    step: int


@dataclass(frozen=True, kw_only=True)
class ScoredGroup:
    """A group as it was sampled and scored; times are those of time.monotonic().

    `first_scores` are those of the row that the step began with, `scores` those of the row that
    took its place after `refills` tries. With exact_counts `texts` and `scores` are of the greedy
    answer, and `group` holds what is in `written`; where that is None, `unwritten` says why.
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
    written: WrittenSet | None = None
    unwritten: str = ""

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
    def stands_for(self) -> int:
        """How many samples."""
        return self.written.stands_for if self.written else len(self.group.completions)

    @property
    def num_tokens(self) -> int:
        """Of the samples that it stands for."""
        return sum(self.answer_tokens) * self.stands_for // len(self.answer_tokens)

    @property
    def answer_tokens(self) -> list[int]:
        """Of each answer that the policy gave; of a written set, of its greedy answer."""
        if self.written:
            return [self.sampled_tokens]
        return [len(completion) for completion in self.group.completions]

    @property
    def first_rewards(self) -> set[float]:
        """The different ones, of a written set those of all counts."""
        if self.written:
            return set(self.written.rewards)
        return {score.reward for score in self.first_scores}

    @property
    def teaches(self) -> bool:
        """Whether the row that the step began with did: its rewards differ."""
        return len(self.first_rewards) > 1

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


def size_of(groups: Sequence[ScoredGroup]) -> Size:
    """What a loss divides by; a written set counts as the samples that it stands for, each as long
    as the greedy answer."""
    return Size(
        completions=sum(group.stands_for for group in groups),
        tokens=sum(group.num_tokens for group in groups),
    )


class PromptStage(Prompter):
    """Turns rows into prompts, and opens their staged images."""

    def __init__(self, policy: Policy, store: BlobStore, template: PromptTemplate = PLAIN) -> None:
        super().__init__(
            policy.tokenizer,
            policy.image_token_id,
            policy.image_grid,
            policy.family.closing_text,
            template,
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
        rollouts: Rollouts,
        rewards: RewardClient,
        training: TrainingConfig,
        reward_weights: Sequence[RewardWeight],
    ) -> None:
        self._stage = stage
        self._rollouts = rollouts
        self._training = training
        self._sampling = Sampling(
            num_completions=training.num_generations,
            temperature=training.temperature,
            max_new_tokens=training.max_new_tokens,
        )
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

    async def sample_outside(self, group: ScoredGroup, seed: int) -> OutsideAnswers:
        """Of num_generations answers, sampled with the group's adapter, those that it lacks."""
        prompt = self._prompt(group.row, seed)
        sampled = await self._generate(prompt, group.adapter, self._sampling)
        written = {tuple(completion) for completion in group.group.completions}
        outside = [one for one in sampled if one.token_ids not in written]
        texts = [self._stage.answer(completion) for completion in outside]
        scores = await self._score(texts, group.row) if outside else []
        return OutsideAnswers(completions=outside, rewards=[score.reward for score in scores])

    async def _sample(
        self, row: Row, adapter: PublishedAdapter, seed: int, asked_at: float
    ) -> ScoredGroup:
        prompt = self._prompt(row, seed)
        completions = await self._generate(prompt, adapter, self._sampling)
        sampled_at = time.monotonic()
        texts = [self._stage.answer(completion) for completion in completions]
        scores = await self._score(texts, row)
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

    def _prompt(self, row: Row, seed: int) -> Prompt:
        return self._stage.prompt(row, seed % 2**62)

    async def _generate(
        self, prompt: Prompt, adapter: PublishedAdapter, sampling: Sampling
    ) -> list[Completion]:
        with self._scorer.expect_group(), span("sample"):
            [completions] = await self._rollouts.generate([prompt], adapter.digest, sampling)
        return completions

    async def _score(self, texts: Sequence[str], row: Row) -> list[Score]:
        with span("reward", row=row.number):
            return await self._scorer.score(texts, [row.true_count] * len(texts))
