"""Finds the rewards that other packages name, and runs nothing of them."""

import logging
import re
from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

GROUP = "tally.rewards"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class NamedReward:
    """The name of an entry point, and its package with the version."""

    name: str
    package: str


def find_rewards(built_in: Container[str]) -> Sequence[NamedReward]:
    """By name; one whose name can't be taken is left out, and the log says why."""
    by_name: dict[str, list[EntryPoint]] = defaultdict(list)
    for entry in entry_points(group=GROUP):
        by_name[entry.name].append(entry)
    found = []
    for name, entries in sorted(by_name.items()):
        if fault := _fault_of(name, entries, built_in):
            _log.warning("the reward %.64r of %s is left out: %s", name, _package(entries), fault)
        else:
            found.append(NamedReward(name=name, package=_package(entries)))
    return found


def entry_point(name: str) -> EntryPoint:
    """The one of that name, which `find_rewards` has found."""
    [entry] = entry_points(group=GROUP, name=name)
    return entry


def _fault_of(name: str, entries: Sequence[EntryPoint], built_in: Container[str]) -> str | None:
    if not _NAME.fullmatch(name):
        return "a name is up to 64 lower-case letters, digits and underscores, a letter first"
    if name in built_in:
        return "a built-in reward has this name"
    if len(entries) > 1:
        return "one package alone can bring a name"
    return None


def _package(entries: Sequence[EntryPoint]) -> str:
    packages = {f"{entry.dist.name} {entry.dist.version}" for entry in entries if entry.dist}
    return ", ".join(sorted(packages))
