import asyncio

import pytest

from learner_service.clients.rewards import Score
from learner_service.grpo.scoring import BatchScorer
from tally.rpc.errors import Unavailable


class Calls:
    """Scores a text by its number; remembers how many texts came in each call."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sizes: list[int] = []
        self._error = error

    async def __call__(self, texts, true_counts) -> list[Score]:
        self.sizes.append(len(texts))
        await asyncio.sleep(0.05)
        if self._error:
            raise self._error
        return [Score(count=int(t), difference=0, reward=float(t)) for t in texts]


async def test_what_comes_together_or_meanwhile_goes_into_one_call():
    calls = Calls()
    scorer = BatchScorer(calls)
    first = [asyncio.create_task(scorer.score([str(n)], [1])) for n in range(3)]
    await asyncio.sleep(0.03)
    later = [asyncio.create_task(scorer.score([str(n), "9"], [1, 1])) for n in range(3, 5)]
    scores = await asyncio.gather(*first, *later)
    assert calls.sizes == [3, 3]
    assert [[s.count for s in group] for group in scores] == [[0], [1], [2], [3, 9], [4, 9]]


async def test_groups_that_are_still_sampled_are_waited_for_a_little():
    calls = Calls()
    scorer = BatchScorer(calls)
    with scorer.expect_group():
        first = asyncio.create_task(scorer.score(["1"], [1]))
        await asyncio.sleep(0)
        second = asyncio.create_task(scorer.score(["2"], [1]))
        await asyncio.sleep(0)
    await asyncio.gather(first, second)
    with scorer.expect_group():
        await scorer.score(["3"], [1])
    assert calls.sizes == [2, 1]


async def test_one_that_is_cancelled_leaves_the_others_their_scores():
    scorer = BatchScorer(Calls())
    tasks = [asyncio.create_task(scorer.score([str(n)], [1])) for n in range(2)]
    await asyncio.sleep(0.02)
    tasks[0].cancel()
    assert [score.count for score in await tasks[1]] == [1]
    assert [score.count for score in await scorer.score(["7"], [1])] == [7]


async def test_a_failed_call_fails_all_that_are_in_it():
    scorer = BatchScorer(Calls(Unavailable("away")))
    results = await asyncio.gather(
        *(scorer.score([str(n)], [1]) for n in range(2)), return_exceptions=True
    )
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    with pytest.raises(Unavailable):
        await scorer.score(["1"], [1])
