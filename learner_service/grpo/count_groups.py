"""A row to the scored set of its answers: the greedy one, every count written into it, rewards."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from learner_service.clients.rewards import Score
from learner_service.clients.rollouts import Completion, Prompt, Sampling
from learner_service.data.count_form import NoCountForm, WrittenCounts
from learner_service.data.dataset import Row
from learner_service.grpo.group_sampler import GroupSampler
from learner_service.grpo.groups import PublishedAdapter, ScoredGroup
from learner_service.grpo.written_sets import WrittenSet
from learner_service.policy.packing import Group
from tally.job.settings import TrainingConfig
from tally.messages.message import Message


class CountSampler(GroupSampler):
    """Asks for the greedy answer alone, and writes 0 to `last_count` into it.

    Where none can be written the row's answers are sampled, as with the estimator `sampled`.
    """

    def __init__(self, *, last_count: int, **parts: Any) -> None:
        super().__init__(**parts)
        self._last_count = last_count

    async def _sample(
        self, row: Row, adapter: PublishedAdapter, seed: int, asked_at: float
    ) -> ScoredGroup:
        prompt = self._prompt(row, seed)
        greedily = Sampling.greedy(self._training.max_new_tokens)
        [greedy] = await self._generate(prompt, adapter, greedily)
        sampled_at, text = time.monotonic(), self._stage.answer(greedy)
        [score] = await self._score([text], row)
        try:
            written = self._write(greedy, score)
            scores = await self._score(written.texts, row)
            _check_counts(scores)
        except NoCountForm as reason:
            group = await super()._sample(row, adapter, seed, asked_at)
            return replace(group, unwritten=str(reason))
        return ScoredGroup(
            row=row,
            group=self._group(prompt, row, written),
            texts=(text,),
            adapter=adapter,
            scores=(score,),
            first_scores=(score,),
            refills=0,
            sampled_completions=1,
            sampled_tokens=len(greedy.token_ids),
            asked_at=asked_at,
            sampled_at=sampled_at,
            scored_at=time.monotonic(),
            written=WrittenSet(
                rewards=tuple(one.reward for one in scores),
                stands_for=self._training.num_generations,
                seed=seed,
            ),
        )

    def _write(self, greedy: Completion, score: Score) -> WrittenCounts:
        return self._stage.written_counts(
            greedy, score.span, self._last_count, self._training.max_new_tokens
        )

    def _group(self, prompt: Prompt, row: Row, written: WrittenCounts) -> Group:
        return Group(
            prompt_ids=prompt.token_ids,
            position_ids=self._stage.position_ids(prompt, row),
            completions=written.token_ids,
            # Nobody sampled them.
            sampler_logps=[[math.nan] * len(ids) for ids in written.token_ids],
        )


def _check_counts(scores: Sequence[Score]) -> None:
    """Raises NoCountForm where the count that was written is not the one that is read."""
    for count, score in enumerate(scores):
        if score.count != count:
            raise NoCountForm(Message("form_read_otherwise", count=count))


def sampler_of(rows: Sequence[Row], training: TrainingConfig, **parts: Any) -> GroupSampler:
    """What the estimator of a job that trains on `rows` asks for; `parts` are a GroupSampler's."""
    if not training.is_exact:
        return GroupSampler(training=training, **parts)
    last_count = training.last_count(max(row.true_count for row in rows))
    return CountSampler(last_count=last_count, training=training, **parts)
