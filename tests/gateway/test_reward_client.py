from gateway.reward_client import RewardClient
from tests.gateway.conftest import client_of


async def test_answers_are_parsed_in_batches_that_the_contract_takes(reward_port: int):
    client = RewardClient(client_of(reward_port))
    long = [f"3 {'x' * (99_000 + number)}" for number in range(7)]
    short = [f"{number} apples" for number in range(1_100)]
    parsed = await client.parse([long[0], *short, *long])
    await client.close()
    assert [answer.count for answer in parsed] == [3, *range(1_100), *[3] * 7]
    assert not any(answer.why for answer in parsed)


async def test_an_answer_beyond_the_contracts_length_is_refused_in_its_place(reward_port: int):
    client = RewardClient(client_of(reward_port))
    parsed = await client.parse(["3", "4" * 100_001, "5"])
    await client.close()
    assert [answer.why is None for answer in parsed] == [True, False, True]
    assert str(parsed[1].why) == "the answer has 100,001 characters; write at most 100,000"
    assert parsed[2].count == 5
