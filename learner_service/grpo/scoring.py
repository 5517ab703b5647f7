"""Answers of several groups scored in one call, while other groups are still sampled."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from learner_service.clients.rewards import Score

# Groups that one batch of the engine brings arrive within this time of each other.
_GATHERING_SECONDS = 0.002

ScoreCall = Callable[[Sequence[str], Sequence[int]], Awaitable[list[Score]]]


@dataclass(kw_only=True, eq=False)
class _Waiting:
    texts: Sequence[str]
    true_counts: Sequence[int]
    scores: asyncio.Future[list[Score]]


class BatchScorer:
    """Whatever comes while one call is under way goes into the next."""

    def __init__(self, call: ScoreCall) -> None:
        self._call = call
        self._waiting: list[_Waiting] = []
        self._work: asyncio.Task[None] | None = None

    async def score(self, texts: Sequence[str], true_counts: Sequence[int]) -> list[Score]:
        """One score for each text, in order. Raises what the call raises."""
        waiting = _Waiting(
            texts=texts, true_counts=true_counts, scores=asyncio.get_running_loop().create_future()
        )
        self._waiting.append(waiting)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run())
        return await waiting.scores

    async def _run(self) -> None:
        await asyncio.sleep(_GATHERING_SECONDS)
        while batch := [w for w in self._waiting if not w.scores.done()]:
            self._waiting.clear()
            await self._settle(batch)

    async def _settle(self, batch: list[_Waiting]) -> None:
        texts = [text for waiting in batch for text in waiting.texts]
        true_counts = [count for waiting in batch for count in waiting.true_counts]
        try:
            scores = iter(await self._call(texts, true_counts))
        except Exception as error:
            for waiting in batch:
                if not waiting.scores.done():
                    waiting.scores.set_exception(error)
            return
        for waiting in batch:
            own = [next(scores) for _ in waiting.texts]
            if not waiting.scores.done():
                waiting.scores.set_result(own)
