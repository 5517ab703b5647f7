"""Base against adapter on the same samples, both greedy, both through the rollout service."""

from collections.abc import Sequence

from learner_service.clients.background import BackgroundLoop
from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import RolloutClient, Sampling
from learner_service.clients.together import together
from learner_service.data.dataset import Sample
from learner_service.data.prompts import Prompter
from learner_service.evaluation.answers import Answered, Compared
from learner_service.events import EvaluationProgress, Report

_SCORED_TOGETHER = 16


class Evaluator:
    """Answers every sample once with the base model and once with the adapter."""

    def __init__(
        self,
        *,
        prompter: Prompter,
        rollouts: RolloutClient,
        rewards: RewardClient,
        loop: BackgroundLoop,
        max_new_tokens: int,
        report: Report,
    ) -> None:
        self._prompter = prompter
        self._rollouts = rollouts
        self._rewards = rewards
        self._loop = loop
        self._sampling = Sampling(num_completions=1, temperature=0.0, max_new_tokens=max_new_tokens)
        self._report = report

    def compare(self, samples: Sequence[Sample], adapter_digest: str) -> list[Compared]:
        """Reports progress as it goes; counts are scored with progressive_count."""
        total = 2 * len(samples)
        of_base = self._loop.run(self._asked(samples, "", answered=0, total=total))
        of_adapter = self._loop.run(
            self._asked(samples, adapter_digest, answered=len(samples), total=total)
        )
        return [
            Compared(sample=sample, base=base, adapter=adapter)
            for sample, base, adapter in zip(samples, of_base, of_adapter, strict=True)
        ]

    async def _asked(
        self, samples: Sequence[Sample], digest: str, answered: int, total: int
    ) -> list[Answered]:
        """All samples at once: how many are on their way together is the client's to say."""

        async def answers(chunk: Sequence[Sample]) -> list[Answered]:
            nonlocal answered
            found = await self._answers(chunk, digest)
            answered += len(found)
            self._report(EvaluationProgress(answered=answered, total=total))
            return found

        starts = range(0, len(samples), _SCORED_TOGETHER)
        chunks = [samples[start : start + _SCORED_TOGETHER] for start in starts]
        return [one for found in await together(map(answers, chunks)) for one in found]

    async def _answers(self, samples: Sequence[Sample], digest: str) -> list[Answered]:
        prompts = [self._prompter.prompt(sample, seed=0) for sample in samples]
        groups = await self._rollouts.generate(prompts, digest, self._sampling)
        texts = [self._prompter.answer(group[0]) for group in groups]
        true_counts = [sample.true_count for sample in samples]
        scores = await self._rewards.score(texts, true_counts)
        return [Answered(text=t, score=s) for t, s in zip(texts, scores, strict=True)]
