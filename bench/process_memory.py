"""The memory of a process and all that it starts, watched from outside (Linux)."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from bench.memory_parts import MemoryParts, memory_parts
from bench.processes import memory_sizes, module_of, started_by
from bench.watching import watching

_POLL_SECONDS = 0.1
# Asking for shares walks through all pages of a process.
_POLLS_PER_SHARE = 20


@dataclass(frozen=True, kw_only=True)
class PeakResidence:
    """The most that was resident, in bytes: of its own, of files that are mapped, and of both."""

    own: int = 0
    mapped: int = 0
    resident: int = 0

    def join(self, other: "PeakResidence") -> "PeakResidence":
        return PeakResidence(
            own=max(self.own, other.own),
            mapped=max(self.mapped, other.mapped),
            resident=max(self.resident, other.resident),
        )


class ProcessMemory:
    """Peaks of what a process has started, by the module that it runs and by `stage`, which the
    caller sets; they are seen ten times a second. `highest` is the kernel's own, over all stages.

    `shared_out` is the most that all took together where a page that several have mapped counts
    once, and `parts` what each module's processes had of it then.
    """

    def __init__(self, pid: int) -> None:
        self.stage = ""
        self.peaks: dict[tuple[str, str], PeakResidence] = {}
        self.highest: dict[str, int] = {}
        self.parts: dict[str, MemoryParts] = {}
        self._pid = pid
        self._polls = 0

    def watching(self) -> AbstractContextManager[None]:
        """Looks while the block runs."""
        return watching(self._look, _POLL_SECONDS)

    def peak(self, module: str) -> PeakResidence:
        """Over all stages."""
        whole = PeakResidence()
        for (name, _), one in self.peaks.items():
            whole = whole.join(one) if name == module else whole
        return whole

    @property
    def shared_out(self) -> int:
        return _whole(self.parts)

    def parts_now(self) -> dict[str, MemoryParts]:
        """By module; of processes that run none, under an empty name."""
        parts: dict[str, MemoryParts] = {}
        for pid in started_by(self._pid):
            with suppress(OSError):  # it has ended
                module = module_of(pid)
                parts[module] = parts.get(module, MemoryParts()) + memory_parts(pid)
        return parts

    def _look(self) -> None:
        for pid in started_by(self._pid):
            with suppress(OSError, KeyError):  # it may have ended, or not have begun
                self._look_at(pid)
        if self._polls % _POLLS_PER_SHARE == 0:
            self.parts = max(self.parts, self.parts_now(), key=_whole)
        self._polls += 1

    def _look_at(self, pid: int) -> None:
        sizes, module = memory_sizes(pid), module_of(pid)
        seen = PeakResidence(
            own=sizes["RssAnon"] + sizes["RssShmem"],
            mapped=sizes["RssFile"],
            resident=sizes["VmRSS"],
        )
        if not module:
            return
        key = module, self.stage
        self.peaks[key] = seen.join(self.peaks.get(key, seen))
        self.highest[module] = max(self.highest.get(module, 0), sizes["VmHWM"])


def _whole(parts: Mapping[str, MemoryParts]) -> int:
    return sum(part.whole for part in parts.values())
