import asyncio

import pytest

from learner_service.clients.rewards import Score
from learner_service.grpo.scoring import BatchScorer
from tally.rpc.errors import Unavailable
from tests.waiting import eventually


class Calls:
    """Scores a text by its number; remembers how many texts came in each call.

    Calls go on while `open` is set.
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.sizes: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self._error = error

    async def __call__(self, texts, true_counts) -> list[Score]:
        self.sizes.append(len(texts))
        await self.open.wait()
        if self._error:
            raise self._error
        return [Score(count=int(t), difference=0, reward=float(t)) for t in texts]


async def test_what_comes_together_or_meanwhile_goes_into_one_call():
    calls = Calls()
    calls.open.clear()
    scorer = BatchScorer(calls)
    first = [asyncio.create_task(scorer.score([str(n)], [1])) for n in range(3)]
    await eventually(lambda: calls.sizes)
    later = [asyncio.create_task(scorer.score([str(n), "9"], [1, 1])) for n in range(3, 5)]
    await asyncio.sleep(0)  # both are asked for
    calls.open.set()
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
    calls = Calls()
    calls.open.clear()
    scorer = BatchScorer(calls)
    tasks = [asyncio.create_task(scorer.score([str(n)], [1])) for n in range(2)]
    await eventually(lambda: calls.sizes)
    tasks[0].cancel()
    calls.open.set()
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


async def test_what_was_scored_once_is_not_asked_about_again():
    calls = Calls()
    scorer = BatchScorer(calls)
    first = await scorer.score(["1", "2"], [1, 1])
    assert await scorer.score(["2", "1", "2"], [1, 1, 1]) == [first[1], first[0], first[1]]
    assert calls.sizes == [2]
    await scorer.score(["1"], [2])
    await scorer.score(["1", "3"], [1, 1])
    assert calls.sizes == [2, 1, 2]


async def test_few_and_short_answers_alone_are_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("learner_service.grpo.scoring._MOST_KEPT", 2)
    calls = Calls()
    scorer = BatchScorer(calls)
    long = "1".zfill(201)
    for text in ("1", "2", "3", "2", "1", long, long):
        await scorer.score([text], [1])
    assert len(calls.sizes) == 6
