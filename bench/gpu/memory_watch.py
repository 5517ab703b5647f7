"""The most memory that a stack takes together: of the card, or of the host in a rehearsal."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

import torch

from bench.processes import memory_sizes, started_by
from bench.watching import watching

_PERIOD_SECONDS = 0.05


class MemoryWatch:
    """`peak_bytes` is the largest of what `used_bytes` gave, looked at again and again."""

    def __init__(self, used_bytes: Callable[[], int]) -> None:
        self._used_bytes = used_bytes
        self.peak_bytes = 0

    def watching(self) -> AbstractContextManager[None]:
        """Looks while the block runs."""
        return watching(self._look, _PERIOD_SECONDS)

    def _look(self) -> None:
        # A process whose memory is read may be ending.
        with suppress(OSError):
            self.peak_bytes = max(self.peak_bytes, self._used_bytes())


def card_bytes_used() -> int:
    """By every process of the card, contexts of CUDA among them."""
    free, total = torch.cuda.mem_get_info()
    return total - free


def host_bytes_used() -> int:
    """In RAM, of all that this process has started; what two of them share counts twice."""
    return sum(memory_sizes(pid).get("VmRSS", 0) for pid in started_by(os.getpid()))


def take_all_but(size_bytes: int) -> torch.Tensor | None:
    """Memory of the card that is taken while the tensor lives, so that it is one of `size_bytes`.

    None where the card has no more than that.
    """
    surplus = torch.cuda.mem_get_info()[0] - size_bytes
    return torch.empty(surplus, dtype=torch.uint8, device="cuda") if surplus > 0 else None
