"""Answers of several groups scored in one call, while other groups are still sampled."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from learner_service.clients.rewards import Score
from tally.traces.spans import current_traceparent, in_trace

# Groups that one batch of the engine brings arrive within the first time of each other; none waits
# longer than the second.
_GATHERING_SECONDS = 0.002
_MOST_GATHERING_SECONDS = 0.01

# Answers come again, in a step and from step to step. Long ones seldom do.
_MOST_KEPT = 16_384
_MOST_KEPT_CHARACTERS = 200

ScoreCall = Callable[[Sequence[str], Sequence[int]], Awaitable[list[Score]]]


@dataclass(kw_only=True, eq=False)
class _Request:
    texts: Sequence[str]
    true_counts: Sequence[int]
    scores: asyncio.Future[list[Score]]
    traceparent: str = field(default_factory=current_traceparent)


class BatchScorer:
    """Whatever comes while one call is under way goes into the next. An answer that comes again is
    not asked about again: equal requests have equal responses."""

    def __init__(self, call: ScoreCall) -> None:
        self._call = call
        self._requests: list[_Request] = []
        self._task: asyncio.Task[None] | None = None
        self._kept: dict[tuple[str, int], Score] = {}
        self._expected = 0
        self._changed = asyncio.Event()

    @contextmanager
    def expect_group(self) -> Iterator[None]:
        """A group that is sampled within may be waited for, but not for long."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1

    async def score(self, texts: Sequence[str], true_counts: Sequence[int]) -> list[Score]:
        """One score for each text, in order. Raises what the call raises."""
        pairs = [*zip(texts, true_counts, strict=True)]
        if all(pair in self._kept for pair in pairs):
            return [self._kept[pair] for pair in pairs]
        request = _Request(
            texts=texts, true_counts=true_counts, scores=asyncio.get_running_loop().create_future()
        )
        self._requests.append(request)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return await request.scores

    async def _run(self) -> None:
        await self._gather()
        while batch := [r for r in self._requests if not r.scores.done()]:
            self._requests.clear()
            await self._settle(batch)

    async def _gather(self) -> None:
        """Until all that are being sampled have come, or none has for a while."""
        end = asyncio.get_running_loop().time() + _MOST_GATHERING_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                while self._expected:
                    self._changed.clear()
                    await asyncio.wait_for(self._changed.wait(), _GATHERING_SECONDS)

    async def _settle(self, batch: list[_Request]) -> None:
        pairs = [
            pair
            for request in batch
            for pair in zip(request.texts, request.true_counts, strict=True)
        ]
        places = {pair: place for place, pair in enumerate(dict.fromkeys(pairs))}
        texts, true_counts = zip(*places, strict=True)
        try:
            with in_trace(batch[0].traceparent):
                distinct = await self._call(texts, true_counts)
        except Exception as error:
            for request in batch:
                if not request.scores.done():
                    request.scores.set_exception(error)
            return
        self._keep(zip(places, distinct, strict=True))
        scores = iter([distinct[places[pair]] for pair in pairs])
        for request in batch:
            own = [next(scores) for _ in request.texts]
            if not request.scores.done():
                request.scores.set_result(own)

    def _keep(self, scored: Iterable[tuple[tuple[str, int], Score]]) -> None:
        """The latest ones, of short answers."""
        self._kept.update(
            (pair, score) for pair, score in scored if len(pair[0]) <= _MOST_KEPT_CHARACTERS
        )
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
