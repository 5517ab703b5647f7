"""The forward passes of one optimizer step, each as soon as its groups are there."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from learner_service.grpo.advantages import group_advantages
from learner_service.grpo.groups import ScoredGroup
from learner_service.grpo.loss import LossScale
from learner_service.grpo.rollouts_ahead import StepRollouts
from tally.job.choices import AdvantageScale, LossType
from tally.job.settings import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class ForwardPass:
    """The groups of one forward pass that something can be learnt from; maybe none.

    The loss over `groups` times `kept_share` is the loss over all groups of the pass, since the
    others add nothing but to what it is divided by. `step` is given with the last pass alone.
    """

    groups: list[ScoredGroup]
    advantages: Tensor  # [N] of all completions of `groups`
    num_skipped: int
    scale: LossScale
    kept_share: float
    step: "WholeStep | None"

    def sampler_logps(self, shape: torch.Size) -> Tensor:
        """The engine's log-probabilities of the completions, 0 beyond their ends; [N, T]."""
        logps = torch.zeros(shape)
        rows = [row for group in self.groups for row in group.sampler_logps]
        for number, row in enumerate(rows):
            logps[number, : len(row)] = torch.tensor(row)
        return logps


@dataclass(frozen=True, kw_only=True)
class WholeStep:
    """What is known once the last group is there.

    `gradient_factor` makes up for dividing by the most tokens there could be instead of those that
    there are.
    """

    groups: list[ScoredGroup]
    gradient_factor: float


class StepPasses:
    """Iterates in the order of the data, whatever order the groups arrive in.

    `before_waiting(first, end)` is called before the groups from `first` to before `end` are waited
    for, `after_waiting()` when they are there.
    """

    def __init__(
        self,
        rollouts: StepRollouts,
        training: TrainingConfig,
        before_waiting: Callable[[int, int], None],
        after_waiting: Callable[[], None],
    ) -> None:
        self._rollouts = rollouts
        self._training = training
        self._before_waiting = before_waiting
        self._after_waiting = after_waiting

    def __len__(self) -> int:
        return len(self._rollouts.batches)

    def __iter__(self) -> Iterator[dict[str, ForwardPass]]:
        first, sizes = 0, [len(batch) for batch in self._rollouts.batches]
        # The spread of all rewards is known only once all groups are there.
        batch_advantages = None
        if self._training.advantage_scale is AdvantageScale.BATCH:
            batch_advantages = self._advantages(self._taken(0, sum(sizes)))
        for number, size in enumerate(sizes, start=1):
            groups = self._taken(first, first + size)
            advantages_P_G = (
                torch.cat([self._advantages([group]) for group in groups])
                if batch_advantages is None
                else batch_advantages[first : first + size]
            )
            step = self._whole_step() if number == len(sizes) else None
            yield {"forward_pass": self._forward_pass(groups, advantages_P_G, step)}
            first += size

    def _taken(self, first: int, end: int) -> list[ScoredGroup]:
        self._before_waiting(first, end)
        groups = self._rollouts.take(first, end)
        self._after_waiting()
        return groups

    def _advantages(self, groups: list[ScoredGroup]) -> Tensor:
        rewards_P_G = torch.tensor([group.rewards for group in groups])
        return group_advantages(rewards_P_G, self._training.advantage_scale)

    def _forward_pass(
        self, groups: list[ScoredGroup], advantages_P_G: Tensor, step: WholeStep | None
    ) -> ForwardPass:
        # With a KL penalty a group teaches something even where its rewards do not.
        learns = torch.tensor([g.has_variance or self._training.beta > 0 for g in groups])
        learnt = [group for group, does in zip(groups, learns.tolist(), strict=True) if does]
        return ForwardPass(
            groups=learnt,
            advantages=advantages_P_G[learns].flatten(),
            num_skipped=len(groups) - len(learnt),
            scale=LossScale(
                step_tokens=self._most_tokens,
                forward_passes=len(self),
                max_new_tokens=self._training.max_new_tokens,
            ),
            kept_share=kept_share(self._training.loss_type, learnt, groups),
            step=step,
        )

    @property
    def _most_tokens(self) -> int:
        prompts = sum(len(batch) for batch in self._rollouts.batches)
        return prompts * self._training.num_generations * self._training.max_new_tokens

    def _whole_step(self) -> WholeStep:
        groups = self._rollouts.take_all()
        tokens = sum(group.num_tokens for group in groups)
        by_tokens = self._training.loss_type is LossType.DAPO
        factor = self._most_tokens / tokens if by_tokens else 1.0
        return WholeStep(groups=groups, gradient_factor=factor)


def kept_share(loss_type: LossType, kept: list[ScoredGroup], groups: list[ScoredGroup]) -> float:
    """What the loss over `kept` is divided by, over what that of `groups` is divided by."""
    if loss_type is LossType.DAPO:
        return 1.0  # divided by the tokens of the whole step
    if loss_type is LossType.BNPO:
        return sum(g.num_tokens for g in kept) / sum(g.num_tokens for g in groups)
    return _num_completions(kept) / _num_completions(groups)


def _num_completions(groups: list[ScoredGroup]) -> int:
    return sum(len(group.group.completions) for group in groups)
