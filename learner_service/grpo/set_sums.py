"""What is measured of a step's written sets: sums over its forward passes, then means. Pure."""

import math
from collections.abc import Sequence

import torch

from learner_service.grpo.exact_counts import AnswerSet

# Reported with every step; not a number where all answers were sampled.
SET_METRICS = ("outside_mass_mean", "expected_reward_mean")


class SetSums:
    """As TokenSums, of sets."""

    def __init__(self, device: torch.device) -> None:
        # Of each figure the sum over all sets, and last the number of these.
        self.sums = torch.zeros(len(SET_METRICS) + 1, device=device)

    def add(self, sets: Sequence[AnswerSet | None]) -> None:
        for found in sets:
            if found is not None:
                one = torch.ones_like(found.outside_mass)
                self.sums += torch.stack([found.outside_mass, found.expected_reward, one]).float()

    def means(self) -> dict[str, float]:
        *sums, number = self.sums.tolist()
        if not number:
            return dict.fromkeys(SET_METRICS, math.nan)
        return {name: total / number for name, total in zip(SET_METRICS, sums, strict=True)}
