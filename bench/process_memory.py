"""The memory of a process and all that it starts, watched from outside (Linux)."""

import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.1
# Asking for shares walks through all pages of a process.
_POLLS_PER_SHARE = 20
_MODULE = re.compile(r"-m\0([\w.]+)")


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
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "ProcessMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def peak(self, module: str) -> PeakResidence:
        """Over all stages."""
        whole = PeakResidence()
        for (name, _), one in self.peaks.items():
            whole = whole.join(one) if name == module else whole
        return whole

    def _watch(self) -> None:
        polls = 0
        while not self._ended.wait(_POLL_SECONDS):
            pids = list(_descendants(self._pid))[1:]
            for pid in pids:
                with suppress(OSError, KeyError):  # it may have ended, or not have begun
                    self._look_at(pid)
            if polls % _POLLS_PER_SHARE == 0:
                self.shared_out = max(self.shared_out, sum(map(_proportional_bytes, pids)))
            polls += 1

    def _look_at(self, pid: int) -> None:
        sizes, module = _sizes(Path(f"/proc/{pid}/status")), module_of(pid)
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


def module_of(pid: int) -> str:
    """What follows the last `-m` of its command line; empty where there is none."""
    found = _MODULE.findall(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
    return found[-1] if found else ""


def _descendants(pid: int) -> Iterator[int]:
    """The process and all that descend from it."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in path.read_text().split():
                yield from _descendants(int(child))


def _proportional_bytes(pid: int) -> int:
    try:
        return _sizes(Path(f"/proc/{pid}/smaps_rollup")).get("Pss", 0)
    except OSError:
        return 0


def _sizes(path: Path) -> dict[str, int]:
    """Lines such as `VmRSS:  1234 kB`, in bytes."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", path.read_text(), re.MULTILINE)
    return {name: int(size) * 1024 for name, size in found}
