"""The gradient of the expected reward over a set of answers, exactly: docs/algorithm.md. Pure.

Every answer of the set is laid as a completion; its probability, detached, stands where a sampled
one would count as one of G.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from learner_service.grpo.advantages import EPSILON
from tally.job.choices import AdvantageScale


@dataclass(frozen=True, kw_only=True)
class AnswerSet:
    """A prompt's answers that were written out, once the policy has said how probable each is.

    `probabilities`, `advantages`: [N] of the N answers; `expected_reward` is that of an answer of
    the set, `divisor` what centred rewards are divided by, `outside_mass` the probability of all
    other answers: [] each. All in float64, detached.
    """

    probabilities: Tensor
    advantages: Tensor
    expected_reward: Tensor
    divisor: Tensor
    outside_mass: Tensor

    def advantages_of(self, rewards: Tensor) -> Tensor:
        """Those of answers outside, which are measured against the answers of the set: [N] → [N].

        What they are measured against follows from no sample, so the gradient stays unbiased.
        """
        return (rewards.to(self.divisor) - self.expected_reward) / self.divisor


def measure_set(logps: Tensor, rewards: Tensor, scale: AdvantageScale) -> AnswerSet:
    """logps, rewards: [N], the log-probability of each whole answer and its reward.

    Example:
        >>> logps = torch.tensor([0.5, 0.25, 0.125]).log()
        >>> found = measure_set(logps, torch.tensor([0.0, 1.0, 1.0]), AdvantageScale.NONE)
        >>> found.expected_reward.item(), found.outside_mass.item()  # 3 of 7, and 1 of 8
        (0.4285714285714286, 0.125)
    """
    logps, rewards = logps.detach().double(), rewards.to(logps.device).double()
    within = logps.softmax(dim=0)
    expected = within @ rewards
    # A mean of equal numbers may be rounded, and the division would make that rounding matter.
    centred = torch.zeros_like(rewards) if (rewards == rewards[0]).all() else rewards - expected
    divisor = torch.ones_like(expected)
    if scale is AdvantageScale.GROUP:
        divisor = (within @ centred.square()).sqrt() + EPSILON
    return AnswerSet(
        probabilities=logps.exp(),
        advantages=centred / divisor,
        expected_reward=expected,
        divisor=divisor,
        outside_mass=(1 - logps.exp().sum()).clamp(min=0),
    )


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """Of all N completions of a pass: advantages and, unless all are 1, weights, [N]; and the set
    of each group, None where its completions were sampled."""

    advantages: Tensor
    weights: Tensor | None = None
    sets: Sequence[AnswerSet | None] = ()


def weigh(
    logps: Tensor,
    advantages: Tensor,
    set_rewards: Sequence[Tensor | None],
    sizes: Sequence[int],
    *,
    num_generations: int,
    scale: AdvantageScale,
) -> Weighed:
    """Each prompt counts as `num_generations` completions, whether they were sampled or written.

    logps: [N], of whole completions; `sizes` of the groups add up to N. `set_rewards` has a group's
    rewards, [size], where its completions are a set; else their `advantages`, [N], are as given.
    """
    sets: list[AnswerSet | None] = []
    weighed = []
    parts = zip(logps.split([*sizes]), advantages.split([*sizes]), set_rewards, strict=True)
    for of_group, given, rewards in parts:
        found = None if rewards is None else measure_set(of_group, rewards, scale)
        sets.append(found)
        if found is None:
            weighed.append((given.to(logps), torch.ones_like(of_group)))
        else:
            weights = found.probabilities * num_generations
            weighed.append((found.advantages.to(logps), weights.to(logps)))
    all_advantages, weights_N = (torch.cat(part) for part in zip(*weighed, strict=True))
    return Weighed(advantages=all_advantages, weights=weights_N, sets=sets)
