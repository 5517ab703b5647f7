"""The memory of a process and all that it starts, watched from outside (Linux)."""

from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from bench.processes import memory_sizes, module_of, proportional_bytes, started_by
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
    once (the sum of their proportional set sizes).
    """

    def __init__(self, pid: int) -> None:
        self.stage = ""
        self.peaks: dict[tuple[str, str], PeakResidence] = {}
        self.highest: dict[str, int] = {}
        self.shared_out = 0
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

    def _look(self) -> None:
        pids = list(started_by(self._pid))
        for pid in pids:
            with suppress(OSError, KeyError):  # it may have ended, or not have begun
                self._look_at(pid)
        if self._polls % _POLLS_PER_SHARE == 0:
            self.shared_out = max(self.shared_out, sum(map(proportional_bytes, pids)))
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
