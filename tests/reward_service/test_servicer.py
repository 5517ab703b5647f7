from collections.abc import AsyncIterator

import grpc
import pytest

from reward_service.rewards import REWARDS
from reward_service.servicer import SERVICE_NAME, RewardServicer
from tally.reward.v1 import reward_pb2, reward_pb2_grpc
from tally.rpc.server import RpcServer
from tally.rpc.settings import ServerSettings

MANY = 4097


@pytest.fixture
async def stub() -> AsyncIterator[reward_pb2_grpc.RewardServiceStub]:
    server = RpcServer(
        ServerSettings(port=0),
        service_names=[SERVICE_NAME],
        register=lambda s: reward_pb2_grpc.add_RewardServiceServicer_to_server(RewardServicer(), s),
    )
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield reward_pb2_grpc.RewardServiceStub(channel)
    await server.stop(grace_seconds=0)


def score_request(*answers: tuple[str, int], rewards: list[tuple[str, float]] | None = None):
    return reward_pb2.ScoreRequest(
        answers=[reward_pb2.Answer(text=text, true_count=count) for text, count in answers],
        rewards=[reward_pb2.WeightedReward(name=n, weight=w) for n, w in rewards or []],
    )


async def refusal(call) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return caught.value.details()


async def test_score_gives_one_scored_answer_each_in_order(stub):
    request = score_request(("A photo of 3 apples", 3), ("two", 3), ("many", 3), ("no apples", 0))
    response = await stub.Score(request, timeout=10)
    answers = response.scored_answers
    assert [answer.reward for answer in answers] == [1.0, 0.85, 0.0, 1.0]
    assert [answer.difference for answer in answers] == [0, 1, 0, 0]
    assert [answer.HasField("difference") for answer in answers] == [True, True, False, True]
    assert answers[3].parsed_count.HasField("count")
    assert answers[2].parsed_count.no_count_reason == reward_pb2.NO_COUNT_REASON_NO_NUMBER
    assert [component.name for component in answers[0].components] == ["progressive_count"]


async def test_score_weighs_the_named_rewards(stub):
    rewards = [("exact", 2.0), ("format", 0.5), ("progressive_count", 0.0)]
    response = await stub.Score(score_request(("A photo of 4 cats", 4), rewards=rewards))
    (answer,) = response.scored_answers
    assert answer.reward == 2.5
    assert [(c.name, c.value, c.weight) for c in answer.components] == [
        ("exact", 1.0, 2.0),
        ("format", 1.0, 0.5),
        ("progressive_count", 1.0, 0.0),
    ]


async def test_parse_gives_every_reason_its_name(stub):
    texts = ["3", "", "apples", "2.5", "-3", "3-5", "3 and 4", "9" * 30]
    response = await stub.Parse(reward_pb2.ParseRequest(texts=texts))
    assert [parsed.no_count_reason for parsed in response.parsed_counts] == list(range(8))
    assert [parsed.HasField("count") for parsed in response.parsed_counts] == [True] + 7 * [False]
    assert all(parsed.explanation for parsed in response.parsed_counts)


async def test_list_rewards_gives_every_reward_that_score_knows(stub):
    response = await stub.ListRewards(reward_pb2.ListRewardsRequest())
    assert [reward.name for reward in response.rewards] == list(REWARDS)
    assert all(reward.description for reward in response.rewards)


async def test_empty_batches_are_answered(stub):
    assert not (await stub.Score(reward_pb2.ScoreRequest())).scored_answers
    assert not (await stub.Parse(reward_pb2.ParseRequest())).parsed_counts


async def test_full_batches_are_answered(stub):
    response = await stub.Score(score_request(*[("A photo of 3 apples", 3)] * 4096))
    assert len(response.scored_answers) == 4096
    texts = ["3 " + "apples " * 14_285, *["3"] * 4095]
    response = await stub.Parse(reward_pb2.ParseRequest(texts=texts))
    assert all(parsed.count == 3 for parsed in response.parsed_counts)


async def test_an_unknown_reward_is_refused(stub):
    details = await refusal(stub.Score(score_request(("3", 3), rewards=[("exakt", 1.0)])))
    assert details == f"rewards[0].name: no 'exakt'; known are {', '.join(REWARDS)}"
    assert len(await refusal(stub.Score(score_request(rewards=[("x" * 10_000, 1.0)])))) < 200


async def test_a_reward_named_twice_is_refused(stub):
    request = score_request(("3", 3), rewards=[("exact", 1.0), ("exact", 1.0)])
    assert (await refusal(stub.Score(request))).startswith("rewards[1].name: 'exact'")


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), float("-inf")])
async def test_a_weight_that_is_not_finite_is_refused(stub, weight: float):
    details = await refusal(stub.Score(score_request(("3", 3), rewards=[("exact", weight)])))
    assert details == f"rewards[0].weight: {weight} is not a finite number"


async def test_weights_whose_sum_is_not_finite_are_refused(stub):
    request = score_request(("3", 3), rewards=[("exact", 1.7e308), ("format", 1.7e308)])
    assert (await refusal(stub.Score(request))).startswith("rewards: the weights")


async def test_a_true_count_below_zero_is_refused(stub):
    details = await refusal(stub.Score(score_request(("3", 3), ("3", -1))))
    assert details == "answers[1].true_count: -1 is below 0; a true count is 0 or more"


async def test_too_many_items_are_refused(stub):
    details = await refusal(stub.Score(score_request(*[("3", 3)] * MANY)))
    assert details == "answers: 4,097 items; send at most 4,096 in a request"
    details = await refusal(stub.Parse(reward_pb2.ParseRequest(texts=["3"] * MANY)))
    assert details == "texts: 4,097 items; send at most 4,096 in a request"


async def test_too_long_a_text_is_refused(stub):
    details = await refusal(stub.Score(score_request(("三" * 100_001, 3))))
    assert details == "answers[0].text: 100,001 characters; send at most 100,000 in a text"
    details = await refusal(stub.Parse(reward_pb2.ParseRequest(texts=["3", "3" * 100_001])))
    assert details.startswith("texts[1]: 100,001 characters")


async def test_too_many_characters_in_all_are_refused(stub):
    texts = ["3" * 100_000] * 10
    assert len((await stub.Parse(reward_pb2.ParseRequest(texts=texts))).parsed_counts) == 10
    details = await refusal(stub.Parse(reward_pb2.ParseRequest(texts=[*texts, "3"])))
    assert details == ("texts: 1,000,001 characters in all; send at most 1,000,000 in a request")
    details = await refusal(stub.Score(score_request(*[(text, 3) for text in [*texts, "3"]])))
    assert details.startswith("answers: 1,000,001 characters in all")


async def test_the_largest_true_count_is_answered(stub):
    response = await stub.Score(score_request(("3", 2**63 - 1)))
    assert response.scored_answers[0].difference == 2**63 - 4


async def test_work_stops_when_its_deadline_has_passed(stub):
    texts = ["1," * 50_000] * 10
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Parse(reward_pb2.ParseRequest(texts=texts), timeout=0.02)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    response = await stub.Parse(reward_pb2.ParseRequest(texts=["3"]), timeout=60)
    assert response.parsed_counts[0].count == 3
