"""What follows from the number of an optimizer step alone: its rows in turn, its seeds. Pure.

Steps can so be sampled ahead of time, over the end of an epoch too, and a resumed worker goes on
with exactly the rows that come next.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import count
from random import Random
from typing import TypeVar

T = TypeVar("T")


class DataOrder:
    """Every epoch goes over all rows once, in an order of its own."""

    def __init__(self, *, num_rows: int, batch_size: int, batches_per_step: int, seed: int) -> None:
        self._num_rows = num_rows
        self._batch_size = batch_size
        self._prompts_per_step = batch_size * batches_per_step
        self._seed = seed
        self._epoch_order = lru_cache(maxsize=2)(self._shuffle)

    @property
    def steps_per_epoch(self) -> int:
        return -(-self._num_rows // self._prompts_per_step)

    def rows(self, step: int) -> list[int]:
        """Row indices of a step, from 0; an epoch's last has as many as are left."""
        epoch, number = divmod(step, self.steps_per_epoch)
        start = number * self._prompts_per_step
        return self._epoch_order(epoch)[start : start + self._prompts_per_step]

    def slots(self, rows: Sequence[T]) -> list[list[tuple[T, int]]]:
        """The rows of a step by its forward passes, each with the number of its place in the step;
        the last pass may be short."""
        places, size = count(), self._batch_size
        batches = [rows[first : first + size] for first in range(0, len(rows), size)]
        return [list(zip(batch, places, strict=False)) for batch in batches]

    def dropout_seed(self, step: int, number: int) -> int:
        """Makes a forward pass repeatable; `number` counts those of the step, from 0."""
        return ((self._seed * 1_000_003 + step) * 1_000_003 + number) % 2**63

    def seed(self, step: int, slot: int) -> int:
        """Makes a prompt's completions repeatable; below 2**62 and different for each slot."""
        return ((self._seed * 1_000_003 + step) * self._prompts_per_step + slot) % 2**62

    def others(self, step: int, taken: Collection[int], slot: int, number: int) -> list[int]:
        """At most `number` rows beside those that the step has `taken`, to try in place of its row
        `slot`.

        Slots share none as long as there are enough.
        """
        rest = sorted(set(range(self._num_rows)) - set(taken))
        Random(f"refill {self._seed} {step}").shuffle(rest)
        places = (slot + round_number * len(taken) for round_number in range(number))
        return list(dict.fromkeys(rest[place % len(rest)] for place in places)) if rest else []

    def _shuffle(self, epoch: int) -> list[int]:
        order = list(range(self._num_rows))
        Random(f"epoch {self._seed} {epoch}").shuffle(order)
        return order
