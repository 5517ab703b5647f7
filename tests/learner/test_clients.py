"""The worker's two clients against servers that misbehave."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from learner_service.background import BackgroundLoop
from learner_service.errors import RewardsUnavailable, RolloutsUnavailable, StopRequested
from learner_service.patience import Patience
from learner_service.rewards import RewardClient, Score
from learner_service.rollouts import Prompt, RolloutClient, Sampling
from rpc.channel import open_channel
from rpc.errors import DataLoss
from rpc.server import RpcServer
from rpc.settings import ClientSettings, ServerSettings
from tally.reward.v1.reward_pb2_grpc import add_RewardServiceServicer_to_server
from tally.rollout.v1.rollout_pb2_grpc import add_RolloutServiceServicer_to_server
from tests.fakes.reward import FakeRewards
from tests.fakes.rollout import FakeRollouts

ADAPTER = "a" * 64
PROMPTS = [Prompt(token_ids=(n, 7), image_digest="", seed=n) for n in range(3)]
SAMPLING = Sampling(num_completions=4, temperature=1.0, max_new_tokens=5)


@asynccontextmanager
async def channel_to(add: object, servicer: object) -> AsyncIterator[grpc.aio.Channel]:
    settings = ServerSettings()
    server = RpcServer(settings, service_names=[], register=lambda s: add(servicer, s))
    await server.start()
    await server.set_serving(True)
    client = ClientSettings(target=f"127.0.0.1:{server.port}")
    try:
        async with open_channel(client, idempotent_methods=()) as channel:
            yield channel
    finally:
        await server.stop(0)


@asynccontextmanager
async def rollouts(servicer: FakeRollouts, waits: list[bool]) -> AsyncIterator[RolloutClient]:
    async with channel_to(add_RolloutServiceServicer_to_server, servicer) as channel:
        yield RolloutClient(channel, Patience(1.0, waits.append), concurrency=2)


@asynccontextmanager
async def rewards(servicer: FakeRewards, waits: list[bool]) -> AsyncIterator[RewardClient]:
    async with channel_to(add_RewardServiceServicer_to_server, servicer) as channel:
        yield RewardClient(channel, Patience(1.0, waits.append))


async def test_groups_come_back_whole_and_in_order():
    async with rollouts(FakeRollouts(), []) as client:
        groups = await client.generate(PROMPTS, ADAPTER, SAMPLING)
    assert [[c.token_ids for c in group] for group in groups] == [[(n,)] * 4 for n in range(3)]
    assert {c.adapter_digest for group in groups for c in group} == {ADAPTER}


@pytest.mark.parametrize("fault", ["one too few", "another adapter", "no log-probability"])
async def test_a_group_that_is_not_what_was_asked_for_is_refused(fault: str):
    async with rollouts(FakeRollouts(fault), []) as client:
        with pytest.raises(ExceptionGroup) as caught:
            await client.generate(PROMPTS, ADAPTER, SAMPLING)
    assert caught.group_contains(DataLoss)


async def test_a_replica_that_comes_back_is_waited_for_and_said_so():
    servicer, waits = FakeRollouts("away", times=1), []
    async with rollouts(servicer, waits) as client:
        groups = await client.generate(PROMPTS[:1], "", SAMPLING)
    assert (len(groups[0]), servicer.calls, waits) == (4, 2, [True, False])


async def test_no_replica_is_an_error_after_the_bound_and_shows_no_address():
    async with rollouts(FakeRollouts("away"), []) as client:
        with pytest.raises(ExceptionGroup) as caught:
            await client.generate(PROMPTS, ADAPTER, SAMPLING)
    assert caught.group_contains(RolloutsUnavailable)
    assert all("10.0.0.1" not in str(error) for error in caught.value.exceptions)


@pytest.mark.parametrize("fault", ["away", "not a number", "one too few"])
async def test_a_faulty_reward_is_asked_for_again_never_taken_for_zero(fault: str):
    servicer, waits = FakeRewards(fault, times=1), []
    async with rewards(servicer, waits) as client:
        scores = await client.score(["A photo of 2 cups"] * 3, [3, 3, 3])
    assert scores == [Score(count=2, difference=1, reward=0.85)] * 3
    assert (servicer.calls, waits) == (2, [True, False])


async def test_a_reward_service_that_stays_away_is_an_error_after_the_bound():
    async with rewards(FakeRewards("not a number"), []) as client:
        with pytest.raises(RewardsUnavailable):
            await client.score(["one"], [1])


def test_waiting_ends_as_soon_as_a_stop_is_asked_for():
    import asyncio

    stop = threading.Event()
    loop = BackgroundLoop(stop)
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StopRequested):
        loop.run(asyncio.sleep(3600))
    loop.close()
