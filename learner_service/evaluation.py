"""Base against adapter on held-out samples, both greedy, both through the rollout service."""

from collections.abc import Sequence

from learner_service.background import BackgroundLoop
from learner_service.dataset import Sample
from learner_service.events import EvaluationDone, EvaluationProgress, Report
from learner_service.groups import PromptStage
from learner_service.metrics import evaluation_scores
from learner_service.rewards import RewardClient, Score
from learner_service.rollouts import RolloutClient, Sampling

_CHUNK = 16


class Evaluator:
    """Answers every sample once with the base model and once with the adapter."""

    def __init__(
        self,
        *,
        stage: PromptStage,
        rollouts: RolloutClient,
        rewards: RewardClient,
        loop: BackgroundLoop,
        max_new_tokens: int,
        report: Report,
    ) -> None:
        self._stage = stage
        self._rollouts = rollouts
        self._rewards = rewards
        self._loop = loop
        self._sampling = Sampling(num_completions=1, temperature=0.0, max_new_tokens=max_new_tokens)
        self._report = report

    def compare(self, samples: Sequence[Sample], adapter_digest: str) -> EvaluationDone:
        """Reports progress as it goes; counts are scored with progressive_count."""
        answered, scores = 0, {"": [], adapter_digest: []}
        for digest, collected in scores.items():
            for start in range(0, len(samples), _CHUNK):
                chunk = samples[start : start + _CHUNK]
                collected.extend(self._loop.run(self._scores(chunk, digest)))
                answered += len(chunk)
                self._report(EvaluationProgress(answered=answered, total=2 * len(samples)))
        return EvaluationDone(
            num_samples=len(samples),
            base=evaluation_scores(scores[""]),
            adapter=evaluation_scores(scores[adapter_digest]),
        )

    async def _scores(self, samples: Sequence[Sample], digest: str) -> list[Score]:
        prompts = [self._stage.prompt(sample, seed=0) for sample in samples]
        groups = await self._rollouts.generate(prompts, digest, self._sampling)
        texts = [self._stage.answer(group[0]) for group in groups]
        return await self._rewards.score(texts, [sample.true_count for sample in samples])
