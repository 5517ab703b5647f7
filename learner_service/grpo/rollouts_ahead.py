"""Steps on their way: groups that are sampled and scored while the trainer does something else.

With a staleness of k, step n is asked for as soon as the adapter of step n - k is published, before
that step is learnt from. At 0 that is the step's own adapter: strictly on-policy.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from learner_service.clients.background import BackgroundLoop
from learner_service.data.dataset import Row
from learner_service.grpo.data_order import DataOrder
from learner_service.grpo.group_sampler import GroupSampler
from learner_service.grpo.groups import PublishedAdapter, ScoredGroup
from learner_service.grpo.prompt_history import ChosenRow
from learner_service.grpo.prompt_selection import selector_of
from learner_service.grpo.written_sets import OutsideAnswers
from learner_service.ranks import Ranks
from tally.job.settings import TrainingConfig
from tally.traces.spans import span

Within = Callable[[int], AbstractContextManager[Any]]
Prepare = Callable[[Sequence[Sequence[Row]], PublishedAdapter], object]


def _anywhere(step: int) -> AbstractContextManager[Any]:
    return nullcontext()


T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class StepShape:
    """The weights of a whole step's rows, how many of them each forward pass has, and what makes
    its dropout repeatable; the step is that of all processes."""

    row_weights: tuple[float, ...]
    pass_sizes: tuple[int, ...]
    dropout_seeds: tuple[int, ...]


class StepRollouts:
    """This process's groups of one step in their order, whatever order they arrive in.

    `batches` has the rows of its own forward passes.
    """

    def __init__(
        self,
        batches: list[list[Row]],
        groups: list[Future[ScoredGroup]],
        sampler: GroupSampler,
        loop: BackgroundLoop,
        shape: StepShape,
    ) -> None:
        self.batches = batches
        self.rows = [row for batch in batches for row in batch]
        self.shape = shape
        self._groups = groups
        self._outside: list[Future[OutsideAnswers]] = []
        self._sampler = sampler
        self._loop = loop
        self.waited_seconds = 0.0

    def are_there(self, first: int, end: int) -> bool:
        return all(group.done() for group in self._groups[first:end])

    def take(self, first: int, end: int) -> list[ScoredGroup]:
        """Waits for these groups; raises what sampling raised, or StopRequested."""
        return self._wait(self._groups[first:end])

    def sample_outside(self, groups: Sequence[ScoredGroup]) -> list[OutsideAnswers]:
        """Asks for what the written sets of these lack, all at once, and waits for it."""
        self._outside = [
            self._loop.start(self._sampler.sample_outside(group, group.written.seed))
            for group in groups
            if group.written
        ]
        return self._wait(self._outside)

    def _wait(self, futures: Sequence[Future[T]]) -> list[T]:
        started = time.monotonic()
        try:
            with span("wait for groups", groups=len(futures)):
                return [self._loop.wait(future) for future in futures]
        finally:
            self.waited_seconds += time.monotonic() - started

    def take_passes(self) -> list[list[ScoredGroup]]:
        """As `take`, all of them, by the forward passes that they are of."""
        groups = iter(self.take(0, len(self._groups)))
        return [[next(groups) for _ in batch] for batch in self.batches]

    def cancel(self) -> None:
        for group in self._groups:
            group.cancel()
        for answers in self._outside:
            answers.cancel()


class RolloutsAhead:
    """Asks for steps in order, each once; at most `staleness` of them beyond the current one."""

    def __init__(
        self,
        sampler: GroupSampler,
        loop: BackgroundLoop,
        rows: Sequence[Row],
        training: TrainingConfig,
        ranks: Ranks | None = None,
        *,
        prepare: Prepare | None = None,
    ) -> None:
        """`prepare` is called with the rows of a step's forward passes before they are asked for,
        and with the adapter that they are sampled with."""
        self._sampler = sampler
        self._prepare = prepare
        self._loop = loop
        self._rows = rows
        self._ranks = ranks or Ranks.alone()
        self._staleness = training.staleness
        self._order = DataOrder(
            num_rows=len(rows),
            batch_size=training.batch_size,
            batches_per_step=training.gradient_accumulation_steps,
            seed=training.seed,
        )
        self._selector = selector_of(self._order, len(rows), training)
        self._next_step: int | None = None
        self._earlier: dict[int, PublishedAdapter] = {}
        self._pending: deque[StepRollouts] = deque()
        self._taken: StepRollouts | None = None

    def to_ask(self, step: int, end: int) -> range:
        """The steps that `ask` would ask for; where there are none, it needs no adapter."""
        return range(self._first_unasked(step), self._last_wanted(step, end) + 1)

    def go_on_with(self, checkpoint: Path | None, earlier: Sequence[PublishedAdapter]) -> None:
        """Takes up what `save` has written, and which adapters before the first one that is asked
        with there have been."""
        self._selector.load(checkpoint)
        self._earlier = {adapter.step: adapter for adapter in earlier}

    def save(self, folder: Path) -> None:
        """Writes into a checkpoint what the rows of later steps follow from."""
        self._selector.save(folder)

    def note(self, step: int, groups: Sequence[ScoredGroup]) -> None:
        """What the groups of a whole step, which has been learnt from, say of their rows."""
        self._selector.note(step, [group.teaches for group in groups])

    def ask(
        self, step: int, end: int, adapter: PublishedAdapter, within: Within = _anywhere
    ) -> None:
        """Asks for what may be sampled at `step` of a job of `end` steps, each `within` its step.

        What a job that goes on has asked for before is asked for with the adapters of then.
        """
        for number in self.to_ask(step, end):
            of_then = self._earlier.get(number - self._staleness, adapter)
            with within(number):
                self._pending.append(self._start(number, of_then))
            self._next_step = number + 1

    def take(self) -> StepRollouts:
        """The earliest step that was asked for; its groups may still be on their way."""
        self._taken = self._pending.popleft()
        return self._taken

    def cancel(self) -> None:
        """Ends every request that nobody will learn from."""
        for step in (self._taken, *self._pending):
            if step is not None:
                step.cancel()
        self._pending.clear()

    def _first_unasked(self, step: int) -> int:
        return step if self._next_step is None else self._next_step

    def _last_wanted(self, step: int, end: int) -> int:
        return min(step + self._staleness, end - 1)

    def _start(self, step: int, adapter: PublishedAdapter) -> StepRollouts:
        chosen = self._selector.choose(step)
        rows = [row.index for row in chosen]
        slots = self._order.slots(rows)
        own = self._ranks.share(slots)
        batches = [[self._rows[index] for index, _ in of_pass] for of_pass in own]
        if self._prepare:
            self._prepare(batches, adapter)
        groups = [
            self._group(step, slot, self._candidates(step, rows, slot), adapter)
            for of_pass in own
            for _, slot in of_pass
        ]
        shape = self._shape(step, chosen, slots)
        return StepRollouts(batches, groups, self._sampler, self._loop, shape)

    def _shape(
        self, step: int, chosen: Sequence[ChosenRow], slots: Sequence[Sequence[object]]
    ) -> StepShape:
        return StepShape(
            row_weights=tuple(row.weight for row in chosen),
            pass_sizes=tuple(map(len, slots)),
            dropout_seeds=tuple(self._order.dropout_seed(step, n) for n in range(len(slots))),
        )

    def _candidates(self, step: int, rows: Sequence[int], slot: int) -> list[Row]:
        """The row of a place of the step, and those to try instead."""
        refills = self._sampler.tries - 1
        others = self._order.others(step, rows, slot, refills) if refills else []
        return [self._rows[index] for index in [rows[slot], *others]]

    def _group(
        self, step: int, slot: int, candidates: Sequence[Row], adapter: PublishedAdapter
    ) -> Future[ScoredGroup]:
        seed = self._order.seed(step, slot)
        return self._loop.start(self._sampler.sample(candidates, adapter, seed))
