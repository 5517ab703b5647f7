"""The worker's two clients against servers that misbehave."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from learner_service.clients.background import BackgroundLoop
from learner_service.clients.retry import Retry
from learner_service.clients.rewards import RewardClient, Score
from learner_service.clients.rollouts import Prompt, RolloutClient, Sampling
from learner_service.errors import RewardsUnavailable, RolloutsUnavailable, StopRequested
from tally.reward.v1.reward_pb2_grpc import add_RewardServiceServicer_to_server
from tally.rollout.v1.rollout_pb2_grpc import add_RolloutServiceServicer_to_server
from tally.rpc.channel import open_channel
from tally.rpc.errors import DataLoss, Unavailable
from tally.rpc.settings import ClientSettings
from tests.fakes.reward import FakeRewards
from tests.fakes.rollout import FakeRollouts
from tests.fakes.serving import serve

ADAPTER = "a" * 64
PROMPTS = [Prompt(token_ids=(n, 7), image_digest="", seed=n) for n in range(3)]
SAMPLING = Sampling(num_completions=4, temperature=1.0, max_new_tokens=5)


@asynccontextmanager
async def channel_to(
    add: object, servicer: object, **settings: object
) -> AsyncIterator[grpc.aio.Channel]:
    async with serve(add, servicer) as server:
        client = ClientSettings(target=f"127.0.0.1:{server.port}", **settings)
        async with open_channel(client, idempotent_methods=()) as channel:
            yield channel


@asynccontextmanager
async def rollouts(
    servicer: FakeRollouts, waits: list[bool], concurrency: int = 2, **settings: object
) -> AsyncIterator[RolloutClient]:
    async with channel_to(add_RolloutServiceServicer_to_server, servicer, **settings) as channel:
        yield RolloutClient(channel, Retry(1.0, waits.append), concurrency)


@asynccontextmanager
async def rewards(
    servicer: FakeRewards, waits: list[bool], wait_seconds: float = 1.0, **settings: object
) -> AsyncIterator[RewardClient]:
    async with channel_to(add_RewardServiceServicer_to_server, servicer, **settings) as channel:
        yield RewardClient(channel, Retry(wait_seconds, waits.append))


async def test_groups_come_back_whole_and_in_order():
    async with rollouts(FakeRollouts(), []) as client:
        groups = await client.generate(PROMPTS, ADAPTER, SAMPLING)
    assert [[c.token_ids for c in group] for group in groups] == [[(n,)] * 4 for n in range(3)]
    assert {c.adapter_digest for group in groups for c in group} == {ADAPTER}


@pytest.mark.parametrize("fault", ["one too few", "another adapter", "no log-probability"])
async def test_a_group_that_is_not_what_was_asked_for_is_refused(fault: str):
    async with rollouts(FakeRollouts(fault), []) as client:
        with pytest.raises(DataLoss):
            await client.generate(PROMPTS, ADAPTER, SAMPLING)


async def test_a_replica_that_comes_back_is_waited_for_and_said_so():
    servicer, waits = FakeRollouts("away", times=1), []
    async with rollouts(servicer, waits) as client:
        groups = await client.generate(PROMPTS[:1], "", SAMPLING)
    assert (len(groups[0]), servicer.calls, waits) == (4, 2, [True, False])


@pytest.mark.parametrize("timeout_seconds", [0.3, 3600])
@pytest.mark.parametrize("fault", ["away", "hangs"])
async def test_no_replica_is_an_error_after_the_bound_and_shows_no_address(
    fault: str, timeout_seconds: float
):
    async with rollouts(FakeRollouts(fault), [], timeout_seconds=timeout_seconds) as client:
        with pytest.raises(
            RolloutsUnavailable, match="no rollout replica answered within"
        ) as caught:
            await client.generate(PROMPTS, ADAPTER, SAMPLING)
    assert "10.0.0.1" not in str(caught.value)


async def test_groups_that_are_turned_away_wait_for_their_turn_without_asking_on_and_on():
    servicer, waits = FakeRollouts(room=2), []
    async with rollouts(servicer, waits, concurrency=20) as client:
        groups = await client.generate(PROMPTS * 10, ADAPTER, SAMPLING)
    assert [group[0].token_ids for group in groups] == [(0,), (1,), (2,)] * 10
    assert (servicer.answers, waits) == (30, [])
    # All but two were turned away at first; from then on every answer let one ask.
    assert servicer.calls <= 18 + 30


async def test_replicas_without_any_room_are_an_error_after_the_bound():
    waits = []
    async with rollouts(FakeRollouts(room=0), waits) as client:
        with pytest.raises(RolloutsUnavailable, match="no rollout replica had room"):
            await client.generate(PROMPTS, ADAPTER, SAMPLING)
    assert waits == [True]


async def test_an_answer_to_one_group_keeps_the_others_waiting():
    retry = Retry(1.0, lambda _: None)
    refusals = 3  # the pauses after them are longer than the bound

    async def late() -> int:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise Unavailable("away")
        return 1

    async def others() -> None:
        while refusals >= 0:
            await retry.call(lambda: asyncio.sleep(0.1))

    answer, _ = await asyncio.gather(retry.call(late), others())
    assert answer == 1


@pytest.mark.parametrize("fault", ["away", "hangs", "not a number", "one too few"])
async def test_a_faulty_reward_is_asked_for_again_never_taken_for_zero(fault: str):
    servicer, waits = FakeRewards(fault, times=1), []
    async with rewards(servicer, waits, wait_seconds=60, timeout_seconds=2) as client:
        scores = await client.score(["A photo of 2 cups"] * 3, [3, 3, 3])
    parts = {"progressive_count": 0.85}
    expected = Score(count=2, difference=1, reward=0.85, components=parts, values=parts)
    assert scores == [expected] * 3
    assert (servicer.calls, waits) == (2, [True, False])


@pytest.mark.parametrize("fault", ["away", "hangs", "not a number"])
async def test_a_reward_service_that_stays_away_is_an_error_after_the_bound(fault: str):
    async with rewards(FakeRewards(fault), []) as client:
        with pytest.raises(RewardsUnavailable):
            await client.score(["one"], [1])


async def test_long_answers_are_scored_in_several_calls_and_by_their_end():
    servicer = FakeRewards()
    async with rewards(servicer, []) as client:
        scores = await client.score(["three " * 50_000] * 12, [3] * 12)
    assert len(scores) == 12
    assert servicer.calls == 3  # five answers of 100,000 characters each at most


def test_waiting_ends_as_soon_as_a_stop_is_asked_for():
    stop = threading.Event()
    loop = BackgroundLoop(stop)
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StopRequested):
        loop.run(asyncio.sleep(3600))
    loop.close()
