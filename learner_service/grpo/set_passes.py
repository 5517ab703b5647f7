"""The forward passes of exact_counts: written sets, then what is sampled outside of them."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from learner_service.errors import NoCountAnswers
from learner_service.grpo.advantages import group_advantages
from learner_service.grpo.exact_counts import AnswerSet
from learner_service.grpo.forward_pass import ForwardPass
from learner_service.grpo.groups import ScoredGroup, laid_size, size_of
from learner_service.grpo.losses.loss import LossScale
from learner_service.grpo.losses.loss_types import LOSSES
from learner_service.grpo.rollouts_ahead import StepRollouts
from learner_service.grpo.written_sets import OutsideAnswers
from learner_service.policy.packing import Group
from tally.job.settings import TrainingConfig

# Dropout of the second pass is another than that of the first.
_SECOND = 2**61


class SetPasses:
    """Nothing is skipped: of the answers that hold each count some are better than others."""

    def __init__(self, rollouts: StepRollouts, training: TrainingConfig, scale: LossScale) -> None:
        self._rollouts = rollouts
        self._training = training
        self._loss = LOSSES[training.loss_type]
        self._scale = scale

    def forward_pass(self, groups: Sequence[ScoredGroup], dropout_seed: int) -> ForwardPass:
        return ForwardPass(
            groups=[scored.group for scored in groups],
            image_digests=[scored.image_digest for scored in groups],
            advantages=torch.cat([self._advantages(scored) for scored in groups]),
            scale=self._scale,
            share=self._share([scored.group for scored in groups], groups),
            dropout_seed=dropout_seed,
            set_rewards=[
                torch.tensor(scored.written.rewards) if scored.written else None
                for scored in groups
            ],
            draw_outside=lambda sets: self._draw_outside(groups, sets, dropout_seed ^ _SECOND),
        )

    def _advantages(self, scored: ScoredGroup) -> Tensor:
        """Of a written set they are not known yet."""
        if scored.written:
            return torch.zeros(len(scored.group.completions))
        rewards_1_G = torch.tensor([scored.rewards])
        return group_advantages(rewards_1_G, self._training.advantage_scale)[0]

    def _share(self, laid: Sequence[Group], groups: Sequence[ScoredGroup]) -> float:
        """What a mean over `laid` is to be multiplied by: all completions of the pass are meant."""
        return self._loss.share_of_pass(laid_size(laid), size_of(groups))

    def _draw_outside(
        self, groups: Sequence[ScoredGroup], sets: Sequence[AnswerSet | None], dropout_seed: int
    ) -> ForwardPass | None:
        """Of the groups whose sets leave out more than the bound; None where nothing was found."""
        bound = self._training.outside_mass_bound
        lacking = [
            (scored, found)
            for scored, found in zip(groups, sets, strict=True)
            if found is not None and found.outside_mass.item() > bound
        ]
        drawn = self._rollouts.sample_outside([scored for scored, _ in lacking])
        outside = [
            (_group_of(scored.group, answers), scored.image_digest, found.advantages_of(rewards))
            for (scored, found), answers in zip(lacking, drawn, strict=True)
            if len(rewards := torch.tensor(answers.rewards))
        ]
        if not outside:
            return None
        laid, image_digests, advantages = zip(*outside, strict=True)
        return ForwardPass(
            groups=laid,
            image_digests=image_digests,
            advantages=torch.cat(advantages).float(),
            scale=self._scale,
            share=self._share(laid, groups),
            dropout_seed=dropout_seed,
        )


def _group_of(group: Group, answers: OutsideAnswers) -> Group:
    """The prompt with answers that its set does not hold."""
    return replace(
        group,
        completions=[one.token_ids for one in answers.completions],
        sampler_logps=[one.log_probabilities for one in answers.completions],
    )


def check_written(groups: Sequence[ScoredGroup]) -> None:
    """Raises NoCountAnswers where the base answers none of the first step's prompts with a count
    that another can be written for."""
    if any(group.written or group.adapter.step for group in groups):
        return
    raise NoCountAnswers(
        "train.config.estimator: exact_counts has nothing to write counts into: of the greedy "
        f"answer to the first question, {groups[0].unwritten}; ask for answers such as 'A photo of "
        "3 apples', or set the estimator to sampled"
    )
