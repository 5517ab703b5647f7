"""How the model does that training begins with, on some of the rows at the job's own settings."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from learner_service.clients.rewards import RewardClient, Score
from learner_service.clients.rollouts import Rollouts, Sampling
from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.evaluation.row_scores import row_scores, scores_of
from learner_service.grpo.first_completions import share_sampled
from learner_service.spec import Training
from tally.job.comparison import EvaluationScores
from tally.job.settings import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class BaseSample:
    """How it did on `num_samples` groups, all of which were sampled at once.

    Of a step's completions `sampled_share` is what a job would sample, where it goes on only with
    groups whose first completions differ.
    """

    num_samples: int
    scores: EvaluationScores
    varied_group_rate: float
    any_right_rate: float
    completions: int
    seconds: float
    sampled_share: float = 1.0


async def ask_base_model(
    rollouts: Rollouts,
    rewards: RewardClient,
    prompter: Prompter,
    training: Training,
    rows: Sequence[Row],
) -> BaseSample:
    """What the first step would see: a group for each row. Raises RolloutsUnavailable."""
    config = training.config
    prompts = [prompter.prompt(row, config.seed + number) for number, row in enumerate(rows)]
    sampling = Sampling(
        num_completions=config.num_generations,
        temperature=config.temperature,
        max_new_tokens=config.max_new_tokens,
    )
    started = time.monotonic()
    groups = await rollouts.generate(prompts, training.adapter_digest, sampling)
    seconds = time.monotonic() - started
    texts = [prompter.answer(completion) for group in groups for completion in group]
    true_counts = [row.true_count for row in rows for _ in range(config.num_generations)]
    scores = await rewards.score(texts, true_counts, training.rewards)
    return _summarize(scores, config, seconds)


def _summarize(scores: Sequence[Score], config: TrainingConfig, seconds: float) -> BaseSample:
    group_size = config.num_generations
    starts = range(0, len(scores), group_size)
    groups = [scores[start : start + group_size] for start in starts]
    return BaseSample(
        num_samples=len(groups),
        scores=scores_of(row_scores(scores).values()),
        varied_group_rate=fmean(len({score.reward for score in group}) > 1 for group in groups),
        any_right_rate=fmean(any(score.difference == 0 for score in group) for group in groups),
        completions=len(scores),
        seconds=seconds,
        sampled_share=fmean(
            share_sampled([score.reward for score in group], config.first_completions)
            for group in groups
        ),
    )
