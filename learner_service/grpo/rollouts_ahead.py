"""Steps on their way: groups that are sampled and scored while the trainer does something else.

With a staleness of k, step n is asked for as soon as the adapter of step n - k is published, before
that step is learnt from. At 0 that is the step's own adapter: strictly on-policy.
"""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from learner_service.clients.background import BackgroundLoop
from learner_service.data.dataset import Row
from learner_service.grpo.data_order import DataOrder
from learner_service.grpo.groups import GroupSampler, PublishedAdapter, ScoredGroup
from learner_service.ranks import Ranks
from tally.job.settings import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class StepShape:
    """How many rows each forward pass of a whole step has, and what makes its dropout repeatable;
    the step is that of all processes."""

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
        loop: BackgroundLoop,
        shape: StepShape,
    ) -> None:
        self.batches = batches
        self.rows = [row for batch in batches for row in batch]
        self.shape = shape
        self._groups = groups
        self._loop = loop
        self.waited_seconds = 0.0

    def are_there(self, first: int, end: int) -> bool:
        return all(group.done() for group in self._groups[first:end])

    def take(self, first: int, end: int) -> list[ScoredGroup]:
        """Waits for these groups; raises what sampling raised, or StopRequested."""
        started = time.monotonic()
        try:
            return [self._loop.wait(group) for group in self._groups[first:end]]
        finally:
            self.waited_seconds += time.monotonic() - started

    def take_passes(self) -> list[list[ScoredGroup]]:
        """As `take`, all of them, by the forward passes that they are of."""
        groups = iter(self.take(0, len(self._groups)))
        return [[next(groups) for _ in batch] for batch in self.batches]

    def cancel(self) -> None:
        for group in self._groups:
            group.cancel()


class RolloutsAhead:
    """Asks for steps in order, each once; at most `staleness` of them beyond the current one."""

    def __init__(
        self,
        sampler: GroupSampler,
        loop: BackgroundLoop,
        rows: Sequence[Row],
        training: TrainingConfig,
        ranks: Ranks | None = None,
    ) -> None:
        self._sampler = sampler
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
        self._next_step: int | None = None
        self._earlier: dict[int, PublishedAdapter] = {}
        self._pending: deque[StepRollouts] = deque()
        self._taken: StepRollouts | None = None

    def has_more_to_ask(self, step: int, end: int) -> bool:
        """Whether `ask` would ask for anything, so that an adapter is needed."""
        return self._first_unasked(step) <= self._last_wanted(step, end)

    def go_on_with(self, earlier: Sequence[PublishedAdapter]) -> None:
        """Says which adapters before the first one that is asked with there have been."""
        self._earlier = {adapter.step: adapter for adapter in earlier}

    def ask(self, step: int, end: int, adapter: PublishedAdapter) -> None:
        """Asks for what may be sampled at `step` of a job of `end` steps.

        What a job that goes on has asked for before is asked for with the adapters of then.
        """
        for number in range(self._first_unasked(step), self._last_wanted(step, end) + 1):
            of_then = self._earlier.get(number - self._staleness, adapter)
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
        slots = self._order.slots(step)
        own = self._ranks.share(slots)
        groups = [
            self._group(step, slot, index, adapter) for of_pass in own for index, slot in of_pass
        ]
        batches = [[self._rows[index] for index, _ in of_pass] for of_pass in own]
        return StepRollouts(batches, groups, self._loop, self._shape(step, slots))

    def _shape(self, step: int, slots: Sequence[Sequence[object]]) -> StepShape:
        return StepShape(
            pass_sizes=tuple(map(len, slots)),
            dropout_seeds=tuple(self._order.dropout_seed(step, n) for n in range(len(slots))),
        )

    def _group(
        self, step: int, slot: int, index: int, adapter: PublishedAdapter
    ) -> Future[ScoredGroup]:
        refills = self._sampler.tries - 1
        others = self._order.others(step, slot, refills) if refills else []
        candidates = [self._rows[i] for i in [index, *others]]
        seed = self._order.seed(step, slot)
        return self._loop.start(self._sampler.sample(candidates, adapter, seed))
