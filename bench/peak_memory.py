"""Peak memory: of this process on Linux, or of the card."""

from dataclasses import dataclass

import torch

from bench.processes import memory_sizes, restart_peak


@dataclass(frozen=True, kw_only=True)
class MemoryFigures:
    """Bytes held when measuring began, and the most since."""

    rest: int
    peak: int

    @property
    def growth(self) -> int:
        return max(0, self.peak - self.rest)


class PeakMemory:
    """Counts from where it is made."""

    def __init__(self, device: str) -> None:
        self._on_card = device == "cuda"
        if self._on_card:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self._rest = torch.cuda.memory_allocated()
            return
        self._rest = memory_sizes()["VmRSS"]
        restart_peak()

    def figures(self) -> MemoryFigures:
        if self._on_card:
            return MemoryFigures(rest=self._rest, peak=torch.cuda.max_memory_allocated())
        return MemoryFigures(rest=self._rest, peak=memory_sizes()["VmHWM"])
