"""A reward of another package."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reward_service.errors import RewardFailed
from reward_service.installed.reward_process import Fault, RewardProcess
from reward_service.read_answer import ReadAnswer
from reward_service.rewards import Reward

MOST_VALUE = 1e6


@dataclass(frozen=True, kw_only=True)
class InstalledReward(Reward):
    """`package` is what brought it, with the version; `fault` why it can't be used, or empty."""

    package: str
    fault: str = ""
    process: RewardProcess

    async def values(self, answers: Sequence[ReadAnswer]) -> list[float]:
        """One finite number for each answer; raises RewardFailed, which names the reward."""
        if not answers:
            return []
        try:
            values = await self.process.ask([[a.text, a.true_count, a.count] for a in answers])
        except Fault as fault:
            raise self._failure(str(fault)) from fault
        if len(values) != len(answers):
            raise self._failure(f"gave {len(values)} values for {len(answers)} answers")
        for index, value in enumerate(values):
            if not math.isfinite(value) or abs(value) > MOST_VALUE:
                raise self._failure(
                    f"gave {value:g} to answers[{index}]; expected a finite number of at most "
                    f"{MOST_VALUE:,.0f}"
                )
        return values

    def _failure(self, message: str) -> RewardFailed:
        return RewardFailed(f"the reward {self.name} of {self.package} {message}")
