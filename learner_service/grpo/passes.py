"""The forward passes of one optimizer step, each as soon as its groups are there."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict, TypeVar

import torch
from torch import Tensor

from learner_service.grpo.advantages import group_advantages
from learner_service.grpo.forward_pass import ForwardPass
from learner_service.grpo.group_wait import GroupWait
from learner_service.grpo.groups import ScoredGroup, laid_size, size_of
from learner_service.grpo.losses.loss import LossScale
from learner_service.grpo.losses.loss_types import LOSSES
from learner_service.grpo.rollouts_ahead import StepRollouts
from learner_service.grpo.set_passes import SetPasses, check_written
from learner_service.ranks import Ranks
from tally.job.choices import AdvantageScale, ZeroVarianceGroups
from tally.job.settings import TrainingConfig

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class WholeStep:
    """What is known once each process has learnt from its part.

    `groups` are as they are reported, `weights` those of their rows; `gradient_factor` makes up for
    dividing by the most tokens there could be instead of those that there are; `waited_seconds` are
    those of the process that waited longest for its groups.
    """

    groups: list[ScoredGroup]
    weights: tuple[float, ...]
    gradient_factor: float
    waited_seconds: float


class PassInputs(TypedDict):
    """What transformers hands on to `training_step`."""

    forward_pass: ForwardPass
    is_last: bool


class StepPasses:
    """Iterates in the order of the data, whatever order the groups arrive in.

    Each of `ranks` goes through all passes of the step; those that another one learns are empty.
    In turn after turn each has one of its own; in the last some have none, but the turn.
    """

    def __init__(
        self, rollouts: StepRollouts, training: TrainingConfig, wait: GroupWait, ranks: Ranks
    ) -> None:
        self._rollouts = rollouts
        self._training = training
        self._wait = wait
        self._ranks = ranks
        self._loss = LOSSES[training.loss_type]
        # With a KL penalty a group teaches something even where its rewards do not.
        self._learns_all = (
            training.beta > 0 or training.zero_variance_groups is ZeroVarianceGroups.LEARN
        )
        sizes = rollouts.shape.pass_sizes
        self._scale = LossScale(
            step_tokens=sum(sizes) * training.num_generations * training.max_new_tokens,
            forward_passes=len(sizes),
            max_new_tokens=training.max_new_tokens,
        )
        self._sets = SetPasses(rollouts, training, self._scale) if training.is_exact else None

    def __len__(self) -> int:
        return self._scale.forward_passes

    def __iter__(self) -> Iterator[PassInputs]:
        own_numbers = self._ranks.share(range(len(self)))
        turns = math.ceil(len(self) / self._ranks.count)
        # The spread of all rewards is known only once all groups are there.
        in_batch = self._training.advantage_scale is AdvantageScale.BATCH
        own_passes = self._own_passes(self._batch_deviation() if in_batch else None)
        for number in range(len(self)):
            is_last = number == len(self) - 1
            forward_pass = (
                next(own_passes)
                if number in own_numbers
                else self._nothing(has_turn=is_last and len(own_numbers) < turns)
            )
            yield {"forward_pass": forward_pass, "is_last": is_last}

    def whole_step(self) -> WholeStep:
        """Waits for the other processes, so it is asked for after the last pass is learnt from.

        Raises NoCountAnswers.
        """
        own = self._rollouts.take(0, len(self._rollouts.rows))
        start = min((group.asked_at for group in own), default=0.0)
        groups = self._gather(lambda group: group.to_report(start))
        if self._sets:
            check_written(groups)
        return WholeStep(
            groups=groups,
            weights=self._rollouts.shape.row_weights,
            gradient_factor=self._loss.share_of_step(size_of(groups).tokens, self._scale),
            waited_seconds=max(self._ranks.exchange(self._rollouts.waited_seconds)),
        )

    def _own_passes(self, batch_deviation: Tensor | None) -> Iterator[ForwardPass]:
        seeds = self._ranks.share(self._rollouts.shape.dropout_seeds)
        first = 0
        for number, batch in enumerate(self._rollouts.batches):
            groups = self._take(first, first + len(batch))
            first += len(batch)
            if self._sets:
                yield self._sets.forward_pass(groups, seeds[number])
            else:
                yield self._forward_pass(groups, batch_deviation, seeds[number])

    def _batch_deviation(self) -> Tensor:
        """That of the rewards of the whole step, []; of each group its first, if it has such."""
        self._take(0, len(self._rollouts.rows))
        number = self._training.first_completions or None
        return torch.tensor(self._gather(lambda group: group.rewards[:number])).std()

    def _gather(self, tell: Callable[[ScoredGroup], T]) -> list[T]:
        """What each process tells of its groups, in the order of the whole step."""
        own = [[tell(group) for group in groups] for groups in self._rollouts.take_passes()]
        return [one for of_pass in self._ranks.whole(own) for one in of_pass]

    def _take(self, first: int, end: int) -> list[ScoredGroup]:
        self._wait.begin(first, end)
        groups = self._rollouts.take(first, end)
        self._wait.end()
        return groups

    def _advantages(self, group: ScoredGroup, batch_deviation: Tensor | None) -> Tensor:
        """Of its completions, [G]."""
        scale = self._training.advantage_scale
        return group_advantages(torch.tensor([group.rewards]), scale, batch_deviation)[0]

    def _nothing(self, *, has_turn: bool) -> ForwardPass:
        return ForwardPass(
            groups=[],
            image_digests=[],
            advantages=torch.zeros(0),
            scale=self._scale,
            has_turn=has_turn,
        )

    def _forward_pass(
        self, groups: list[ScoredGroup], batch_deviation: Tensor | None, dropout_seed: int
    ) -> ForwardPass:
        kept = [group for group in groups if group.has_variance or self._learns_all]
        laid = [scored.group for scored in kept]
        advantages = [self._advantages(scored, batch_deviation) for scored in kept]
        return ForwardPass(
            groups=laid,
            image_digests=[scored.image_digest for scored in kept],
            advantages=torch.cat([torch.zeros(0), *advantages]),
            scale=self._scale,
            share=self._loss.share_of_pass(laid_size(laid), size_of(groups)),
            num_skipped=len(groups) - len(kept),
            dropout_seed=dropout_seed,
            weights=self._weights(kept) if self._training.first_completions else None,
        )

    def _weights(self, kept: Sequence[ScoredGroup]) -> Tensor:
        """Of their completions, [N]."""
        return torch.tensor([group.weight for group in kept for _ in group.scores])
