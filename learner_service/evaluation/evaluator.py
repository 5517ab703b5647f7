"""Base against adapter on the same rows, both greedy, both through the rollout service."""

from collections.abc import Callable, Sequence

from learner_service.clients.background import BackgroundLoop
from learner_service.clients.gather import gather
from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import Rollouts, Sampling
from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.evaluation.answers import RowAnswers, ScoredAnswer
from learner_service.events import EvaluationProgress, Report
from tally.traces.spans import new_trace

_SCORED_TOGETHER = 16


class Evaluator:
    """Answers every row once with the base model and once with the adapter, or with either."""

    def __init__(
        self,
        *,
        prompter: Prompter,
        rollouts: Rollouts,
        rewards: RewardClient,
        loop: BackgroundLoop,
        max_new_tokens: int,
        report: Report,
    ) -> None:
        self._prompter = prompter
        self._rollouts = rollouts
        self._rewards = rewards
        self._loop = loop
        self._sampling = Sampling.greedy(max_new_tokens)
        self._report = report

    def compare(self, rows: Sequence[Row], adapter_digest: str) -> list[RowAnswers]:
        """Reports progress as it goes; counts are scored with progressive_count."""
        answered = 0

        def count(number: int) -> None:
            nonlocal answered
            answered += number
            self._report(EvaluationProgress(answered=answered, total=2 * len(rows)))

        of_base = self.answer(rows, "", count)
        of_adapter = self.answer(rows, adapter_digest, count)
        return [
            RowAnswers(row=row, base=base, adapter=adapter)
            for row, base, adapter in zip(rows, of_base, of_adapter, strict=True)
        ]

    def answer(
        self,
        rows: Sequence[Row],
        digest: str,
        on_answered: Callable[[int], None] = lambda number: None,
    ) -> list[ScoredAnswer]:
        """By the adapter of this digest, by the base model for none."""
        return self._loop.run(self._answer_all(rows, digest, on_answered))

    async def _answer_all(
        self, rows: Sequence[Row], digest: str, on_answered: Callable[[int], None]
    ) -> list[ScoredAnswer]:
        """All rows at once: how many are on their way together is the client's to say."""

        async def answer_and_count(chunk: Sequence[Row]) -> list[ScoredAnswer]:
            with new_trace("compare", rows=len(chunk)):
                found = await self._answer(chunk, digest)
            on_answered(len(found))
            return found

        starts = range(0, len(rows), _SCORED_TOGETHER)
        chunks = [rows[start : start + _SCORED_TOGETHER] for start in starts]
        return [one for found in await gather(map(answer_and_count, chunks)) for one in found]

    async def _answer(self, rows: Sequence[Row], digest: str) -> list[ScoredAnswer]:
        prompts = [self._prompter.prompt(row, seed=0) for row in rows]
        groups = await self._rollouts.generate(prompts, digest, self._sampling)
        texts = [self._prompter.answer(group[0]) for group in groups]
        true_counts = [row.true_count for row in rows]
        scores = await self._rewards.score(texts, true_counts)
        return [
            ScoredAnswer(text=text, score=score, probability=group[0].probability)
            for text, score, group in zip(texts, scores, groups, strict=True)
        ]
