"""What a new job names is asked of those who have it."""

import pytest

from learner_service.errors import InvalidSpec
from learner_service.job_check import JobCheck
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training
from reward_service.servicer import SERVICE_NAME, RewardServicer
from tally.job.settings import RewardWeight
from tally.reward.v1.reward_pb2_grpc import add_RewardServiceServicer_to_server
from tally.rpc.settings import ClientSettings
from tests.fakes.serving import serve

SECRET = "s3cret-" * 6


def rewarded(*names: str) -> JobSpec:
    rewards = tuple(RewardWeight(name=name, weight=1.0) for name in names)
    return JobSpec(dataset_digest="a" * 64, base_model="small", work=Training(rewards=rewards))


def check_with(target: str) -> JobCheck:
    reward = ClientSettings(target=target)
    return JobCheck(LearnerSettings(reward=reward, services_secret=SECRET))


async def test_an_unknown_reward_is_named_beside_those_there_are():
    async with serve(
        add_RewardServiceServicer_to_server, RewardServicer(), SERVICE_NAME, secret=SECRET
    ) as server:
        check = check_with(f"127.0.0.1:{server.port}")
        await check.check(rewarded("exact", "progressive_count"))
        with pytest.raises(InvalidSpec, match=r"train\.rewards\.1\.name: .* exact2; known .*exact"):
            await check.check(rewarded("exact", "exact2"))


async def test_without_the_service_a_job_is_taken():
    check = check_with("127.0.0.1:1")
    await check.check(rewarded("exact2"))
    await check.check(rewarded())
