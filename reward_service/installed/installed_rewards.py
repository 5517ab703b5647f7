"""All rewards that other packages bring."""

import asyncio
import logging

from reward_service.installed.entry_points import NamedReward, find_rewards
from reward_service.installed.installed_reward import InstalledReward
from reward_service.installed.reward_process import Fault, RewardProcess
from reward_service.rewards import REWARDS
from reward_service.settings import InstalledSettings
from tally.text.sinks import to_line

_MOST_DESCRIPTION_CHARACTERS = 500
_log = logging.getLogger(__name__)


class InstalledRewards:
    """None before `load`; of each the process runs until `close`."""

    def __init__(self, settings: InstalledSettings = InstalledSettings()) -> None:
        self._settings = settings
        self.by_name: dict[str, InstalledReward] = {}

    async def load(self) -> None:
        """Those that can't be loaded are there too, with the fault that they have."""
        named = await asyncio.to_thread(find_rewards, REWARDS)
        rewards = await asyncio.gather(*map(self._load, named))
        self.by_name = {reward.name: reward for reward in rewards}

    async def close(self) -> None:
        await asyncio.gather(*(reward.process.close() for reward in self.by_name.values()))

    async def _load(self, named: NamedReward) -> InstalledReward:
        process = RewardProcess(
            named.name,
            start_seconds=self._settings.start_seconds,
            answer_seconds=self._settings.answer_seconds,
        )
        description = fault = ""
        try:
            description = to_line(await process.describe())[:_MOST_DESCRIPTION_CHARACTERS]
            _log.info("the reward %s of %s is loaded", named.name, named.package)
        except Fault as error:
            fault = str(error)
            _log.warning("the reward %s of %s %s", named.name, named.package, fault)
        return InstalledReward(
            name=named.name,
            description=description,
            package=named.package,
            fault=fault,
            process=process,
        )
