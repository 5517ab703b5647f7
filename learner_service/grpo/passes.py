"""The forward passes of one optimizer step, each as soon as its groups are there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor

from learner_service.grpo.advantages import group_advantages
from learner_service.grpo.forward_pass import ForwardPass
from learner_service.grpo.group_wait import GroupWait
from learner_service.grpo.groups import ScoredGroup
from learner_service.grpo.losses.loss import LossScale, Size
from learner_service.grpo.losses.loss_types import LOSSES
from learner_service.grpo.rollouts_ahead import StepRollouts
from tally.job.choices import AdvantageScale
from tally.job.settings import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class WholeStep:
    """What is known once the last group is there.

    `gradient_factor` makes up for dividing by the most tokens there could be instead of those that
    there are.
    """

    groups: list[ScoredGroup]
    gradient_factor: float


class PassInputs(TypedDict):
    """What transformers hands on to `training_step`; `step` comes with the last pass alone."""

    forward_pass: ForwardPass
    step: WholeStep | None


class StepPasses:
    """Iterates in the order of the data, whatever order the groups arrive in."""

    def __init__(self, rollouts: StepRollouts, training: TrainingConfig, wait: GroupWait) -> None:
        self._rollouts = rollouts
        self._training = training
        self._wait = wait
        self._loss = LOSSES[training.loss_type]
        prompts = sum(len(batch) for batch in rollouts.batches)
        self._scale = LossScale(
            step_tokens=prompts * training.num_generations * training.max_new_tokens,
            forward_passes=len(rollouts.batches),
            max_new_tokens=training.max_new_tokens,
        )

    def __len__(self) -> int:
        return len(self._rollouts.batches)

    def __iter__(self) -> Iterator[PassInputs]:
        first, sizes = 0, [len(batch) for batch in self._rollouts.batches]
        # The spread of all rewards is known only once all groups are there.
        batch_advantages = None
        if self._training.advantage_scale is AdvantageScale.BATCH:
            batch_advantages = self._advantages(self._take(0, sum(sizes)))
        for number, size in enumerate(sizes, start=1):
            groups = self._take(first, first + size)
            advantages_P_G = (
                torch.cat([self._advantages([group]) for group in groups])
                if batch_advantages is None
                else batch_advantages[first : first + size]
            )
            step = self._whole_step() if number == len(sizes) else None
            yield {"forward_pass": self._forward_pass(groups, advantages_P_G), "step": step}
            first += size

    def _take(self, first: int, end: int) -> list[ScoredGroup]:
        self._wait.begin(first, end)
        groups = self._rollouts.take(first, end)
        self._wait.end()
        return groups

    def _advantages(self, groups: list[ScoredGroup]) -> Tensor:
        rewards_P_G = torch.tensor([group.rewards for group in groups])
        return group_advantages(rewards_P_G, self._training.advantage_scale)

    def _forward_pass(self, groups: list[ScoredGroup], advantages_P_G: Tensor) -> ForwardPass:
        # With a KL penalty a group teaches something even where its rewards do not.
        teaches = torch.tensor([g.has_variance or self._training.beta > 0 for g in groups])
        kept = [group for group, does in zip(groups, teaches.tolist(), strict=True) if does]
        return ForwardPass(
            groups=[scored.group for scored in kept],
            image_digests=[scored.image_digest for scored in kept],
            advantages=advantages_P_G[teaches].flatten(),
            scale=self._scale,
            share=self._loss.share_of_pass(_size(kept), _size(groups)),
            num_skipped=len(groups) - len(kept),
        )

    def _whole_step(self) -> WholeStep:
        groups = self._rollouts.take_all()
        factor = self._loss.share_of_step(_size(groups).tokens, self._scale)
        return WholeStep(groups=groups, gradient_factor=factor)


def _size(groups: Sequence[ScoredGroup]) -> Size:
    return Size(
        completions=sum(len(scored.group.completions) for scored in groups),
        tokens=sum(scored.num_tokens for scored in groups),
    )
