"""Answers of several groups scored in one call, while other groups are still sampled."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from learner_service.clients.rewards import Score

# Groups that one batch of the engine brings arrive within the first time of each other; none waits
# longer than the second.
_GATHERING_SECONDS = 0.002
_MOST_GATHERING_SECONDS = 0.01

ScoreCall = Callable[[Sequence[str], Sequence[int]], Awaitable[list[Score]]]


@dataclass(kw_only=True, eq=False)
class _Waiting:
    texts: Sequence[str]
    true_counts: Sequence[int]
    scores: asyncio.Future[list[Score]]


class BatchScorer:
    """Whatever comes while one call is under way goes into the next; an answer that comes twice
    is asked about once."""

    def __init__(self, call: ScoreCall) -> None:
        self._call = call
        self._waiting: list[_Waiting] = []
        self._work: asyncio.Task[None] | None = None
        self._sampling = 0
        self._changed = asyncio.Event()

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """A group that is sampled within may be waited for, but not for long."""
        self._sampling += 1
        try:
            yield
        finally:
            self._sampling -= 1

    async def score(self, texts: Sequence[str], true_counts: Sequence[int]) -> list[Score]:
        """One score for each text, in order. Raises what the call raises."""
        waiting = _Waiting(
            texts=texts, true_counts=true_counts, scores=asyncio.get_running_loop().create_future()
        )
        self._waiting.append(waiting)
        self._changed.set()
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run())
        return await waiting.scores

    async def _run(self) -> None:
        await self._gather()
        while batch := [w for w in self._waiting if not w.scores.done()]:
            self._waiting.clear()
            await self._settle(batch)

    async def _gather(self) -> None:
        """Until all that are being sampled have come, or none has for a while."""
        end = asyncio.get_running_loop().time() + _MOST_GATHERING_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                while self._sampling:
                    self._changed.clear()
                    await asyncio.wait_for(self._changed.wait(), _GATHERING_SECONDS)

    async def _settle(self, batch: list[_Waiting]) -> None:
        pairs = [
            pair
            for waiting in batch
            for pair in zip(waiting.texts, waiting.true_counts, strict=True)
        ]
        places = {pair: place for place, pair in enumerate(dict.fromkeys(pairs))}
        texts, true_counts = zip(*places, strict=True)
        try:
            distinct = await self._call(texts, true_counts)
        except Exception as error:
            for waiting in batch:
                if not waiting.scores.done():
                    waiting.scores.set_exception(error)
            return
        scores = iter([distinct[places[pair]] for pair in pairs])
        for waiting in batch:
            own = [next(scores) for _ in waiting.texts]
            if not waiting.scores.done():
                waiting.scores.set_result(own)
