"""What a new job names, asked of those who have it: its rewards, its data, its adapter.

Data is read here as far as its rows go. Its images are decoded in a job's own process.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from learner_service.adapter_check import check_adapter, check_beginning
from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.retry import Retry
from learner_service.clients.rewards import IDEMPOTENT_METHODS, RewardClient
from learner_service.data.dataset_archive import check_dataset
from learner_service.errors import (
    InvalidAdapter,
    InvalidDataset,
    InvalidSpec,
    RewardsUnavailable,
)
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training, Work
from tally.job.settings import RewardWeight
from tally.rpc.channel import open_channel

# A caller waits for the answer; without one the job is taken, and waits for the service itself.
_WAIT_SECONDS = 3.0


class JobCheck:
    def __init__(self, settings: LearnerSettings, blobs: BlobStore) -> None:
        self._settings = settings
        self._blobs = blobs
        # What reading takes of memory it takes once.
        self._reading = asyncio.Lock()

    async def check(self, spec: JobSpec) -> None:
        """Raises InvalidSpec, InvalidDataset or InvalidAdapter that names the field."""
        for field, digest in spec.dataset_digests().items():
            async with self._reading:
                await asyncio.to_thread(self._check_data, field, digest)
        for field, digest in spec.adapter_digests().items():
            await asyncio.to_thread(self._check_adapter, field, digest, spec.work)
        if isinstance(spec.work, Training) and spec.work.rewards:
            with suppress(RewardsUnavailable):
                _check_known(spec.work.rewards, await self._reward_faults())

    def _check_data(self, field: str, digest: str) -> None:
        try:
            check_dataset(self._blobs.path(digest), self._settings.dataset)
        except InvalidDataset as error:
            raise InvalidDataset(f"{field}: {error}") from error

    def _check_adapter(self, field: str, digest: str, work: Work) -> None:
        path = self._blobs.path(digest)
        try:
            if isinstance(work, Training):
                check_beginning(path, work.lora)
            else:
                check_adapter(path)
        except InvalidAdapter as error:
            raise InvalidAdapter(f"{field}: {error}") from error

    async def _reward_faults(self) -> dict[str, str]:
        settings = self._settings
        async with open_channel(
            settings.reward, idempotent_methods=IDEMPOTENT_METHODS, secret=settings.secret
        ) as channel:
            return await RewardClient(channel, Retry(_WAIT_SECONDS, lambda waiting: None)).faults()


def _check_known(rewards: Sequence[RewardWeight], known: Mapping[str, str]) -> None:
    for number, reward in enumerate(rewards):
        if reward.name not in known:
            raise InvalidSpec(
                f"train.rewards.{number}.name: there is no reward {reward.name}; known are "
                f"{', '.join(known)}"
            )
        if known[reward.name]:
            raise InvalidSpec(
                f"train.rewards.{number}.name: the reward {reward.name} {known[reward.name]}"
            )
