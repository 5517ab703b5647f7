"""What a new job names is asked of those who have it."""

import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import InvalidSpec
from learner_service.job_check import JobCheck
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training
from reward_service.servicer import SERVICE_NAME, RewardServicer
from tally.job.settings import RewardWeight
from tally.reward.v1.reward_pb2_grpc import add_RewardServiceServicer_to_server
from tally.rpc.settings import ClientSettings
from tests.fakes.serving import serve
from tests.learner_service.data.hostile_datasets import rows
from tests.learner_service.data.test_dataset import line

SECRET = "s3cret-" * 6


def rewarded(store: BlobStore, *names: str) -> JobSpec:
    rewards = tuple(RewardWeight(name=name, weight=1.0) for name in names)
    digest = store.put_bytes(rows(line("a.png")))
    return JobSpec(dataset_digest=digest, base_model="small", work=Training(rewards=rewards))


def check_with(store: BlobStore, target: str) -> JobCheck:
    settings = LearnerSettings(reward=ClientSettings(target=target), services_secret=SECRET)
    return JobCheck(settings, store)


async def test_an_unknown_reward_is_named_beside_those_there_are(store: BlobStore):
    async with serve(
        add_RewardServiceServicer_to_server, RewardServicer(), SERVICE_NAME, secret=SECRET
    ) as server:
        check = check_with(store, f"127.0.0.1:{server.port}")
        await check.check(rewarded(store, "exact", "progressive_count"))
        with pytest.raises(InvalidSpec, match=r"train\.rewards\.1\.name: .* exact2; known .*exact"):
            await check.check(rewarded(store, "exact", "exact2"))


async def test_without_the_service_a_job_is_taken(store: BlobStore):
    check = check_with(store, "127.0.0.1:1")
    await check.check(rewarded(store, "exact2"))
    await check.check(rewarded(store))
