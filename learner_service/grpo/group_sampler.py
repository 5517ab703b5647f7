"""A row to a scored group: prompt, rollouts and rewards."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from learner_service.clients.rewards import RewardClient, Score
from learner_service.clients.rollouts import Completion, Prompt, Rollouts, Sampling
from learner_service.data.dataset import Row
from learner_service.grpo.first_completions import FirstCompletions
from learner_service.grpo.groups import PromptStage, PublishedAdapter, ScoredGroup
from learner_service.grpo.scoring import BatchScorer
from learner_service.grpo.written_sets import OutsideAnswers
from learner_service.policy.packing import Group
from tally.job.choices import ZeroVarianceGroups
from tally.job.settings import RewardWeight, TrainingConfig
from tally.traces.spans import span

# Of the prompts that may be asked for in the place of one, and of a group's second part: seeds of a
# job's own places are less than this apart.
_NEXT_PROMPT = 2**48
_SECOND_PART = 2**47
_SEEDS = 2**62


@dataclass(frozen=True, kw_only=True)
class _Answers:
    """Completions of a prompt, in the order in which they were sampled, with their scores."""

    completions: tuple[Completion, ...]
    texts: tuple[str, ...]
    scores: tuple[Score, ...]
    sampled_at: float

    @property
    def differ(self) -> bool:
        return len({score.reward for score in self.scores}) > 1

    def __add__(self, later: "_Answers") -> "_Answers":
        return _Answers(
            completions=self.completions + later.completions,
            texts=self.texts + later.texts,
            scores=self.scores + later.scores,
            sampled_at=later.sampled_at,
        )


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
        self._first = (
            FirstCompletions(number=training.first_completions, of=training.num_generations)
            if training.first_completions
            else None
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
            before = group
            group = await self._sample(candidate, adapter, seed + number * _NEXT_PROMPT, asked_at)
            group = replace(
                group,
                first_scores=first.first_scores,
                refills=number,
                sampled_completions=before.sampled_completions + group.sampled_completions,
                sampled_tokens=before.sampled_tokens + group.sampled_tokens,
            )
        return group

    async def sample_outside(self, group: ScoredGroup, seed: int) -> OutsideAnswers:
        """Of num_generations answers, sampled with the group's adapter, those that it lacks."""
        prompt = self._prompt(group.row, seed)
        sampled = await self._generate(
            prompt, group.adapter, self._sampling(self._training.num_generations)
        )
        written = {tuple(completion) for completion in group.group.completions}
        outside = [one for one in sampled if one.token_ids not in written]
        texts = [self._stage.answer(completion) for completion in outside]
        scores = await self._score(texts, group.row) if outside else []
        return OutsideAnswers(completions=outside, rewards=[score.reward for score in scores])

    async def _sample(
        self, row: Row, adapter: PublishedAdapter, seed: int, asked_at: float
    ) -> ScoredGroup:
        prompt = self._prompt(row, seed)
        whole = self._training.num_generations
        answers = first = await self._answer(
            prompt, adapter, row, self._first.number if self._first else whole
        )
        if self._first and first.differ:
            rest = self._prompt(row, seed + _SECOND_PART)
            answers = first + await self._answer(rest, adapter, row, whole - self._first.number)
        completions = answers.completions
        return ScoredGroup(
            row=row,
            group=Group(
                prompt_ids=prompt.token_ids,
                position_ids=self._stage.position_ids(prompt, row),
                completions=[c.token_ids for c in completions],
                sampler_logps=[c.log_probabilities for c in completions],
            ),
            texts=answers.texts,
            adapter=adapter,
            scores=answers.scores,
            first_scores=first.scores,
            first=self._first,
            refills=0,
            sampled_completions=len(completions),
            sampled_tokens=sum(len(c.token_ids) for c in completions),
            asked_at=asked_at,
            sampled_at=answers.sampled_at,
            scored_at=time.monotonic(),
        )

    async def _answer(
        self, prompt: Prompt, adapter: PublishedAdapter, row: Row, number: int
    ) -> _Answers:
        completions = await self._generate(prompt, adapter, self._sampling(number))
        sampled_at = time.monotonic()
        texts = [self._stage.answer(completion) for completion in completions]
        scores = await self._score(texts, row)
        return _Answers(
            completions=tuple(completions),
            texts=tuple(texts),
            scores=tuple(scores),
            sampled_at=sampled_at,
        )

    def _sampling(self, number: int) -> Sampling:
        return Sampling(
            num_completions=number,
            temperature=self._training.temperature,
            max_new_tokens=self._training.max_new_tokens,
        )

    def _prompt(self, row: Row, seed: int) -> Prompt:
        return self._stage.prompt(row, seed % _SEEDS)

    async def _generate(
        self, prompt: Prompt, adapter: PublishedAdapter, sampling: Sampling
    ) -> list[Completion]:
        with self._scorer.expect_group(), span("sample"):
            [completions] = await self._rollouts.generate([prompt], adapter.digest, sampling)
        return completions

    async def _score(self, texts: Sequence[str], row: Row) -> list[Score]:
        with span("reward", row=row.number):
            return await self._scorer.score(texts, [row.true_count] * len(texts))
