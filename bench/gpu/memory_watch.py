"""The most memory that a stack takes together: of the card, or of the host in a rehearsal."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch

from bench.jobs import Stack, resident_bytes

_PERIOD_SECONDS = 0.05


class MemoryWatch:
    """`peak_bytes` is the largest of what `used_bytes` gave, looked at again and again."""

    def __init__(self, used_bytes: Callable[[], int]) -> None:
        self._used_bytes = used_bytes
        self._over = threading.Event()
        self.peak_bytes = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_PERIOD_SECONDS):
            # A process whose memory is read may be ending.
            with suppress(OSError, IndexError, ValueError):
                self.peak_bytes = max(self.peak_bytes, self._used_bytes())


def card_bytes_used() -> int:
    """By every process of the card, contexts of CUDA among them."""
    free, total = torch.cuda.mem_get_info()
    return total - free


def host_bytes_used(stack: Stack) -> int:
    """In RAM, of the services and the learner's worker; what two of them share counts twice."""
    return sum(map(resident_bytes, [*stack.pids.values(), stack.worker_pid()]))


def take_all_but(size_bytes: int) -> torch.Tensor | None:
    """Memory of the card that is taken while the tensor lives, so that it is one of `size_bytes`.

    None where the card has no more than that.
    """
    surplus = torch.cuda.mem_get_info()[0] - size_bytes
    return torch.empty(surplus, dtype=torch.uint8, device="cuda") if surplus > 0 else None
