"""The snippets of the documents: what stands between fences that name a language.

A comment before one says that it is not run as it stands:

    <!-- not run: WHY -->
    <!-- run by tests/e2e/test_direct_use.py -->
    <!-- refused -->            it is run, and ends with an error
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^ *```(\S*)\s*$")
_MARK = re.compile(r"<!-- (not run: .+|run by \S+|refused) -->")


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """`mark` is what the comment before it says, empty without one."""

    document: Path
    line: int
    language: str
    text: str
    mark: str = ""

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def is_run_here(self) -> bool:
        return not self.mark.startswith(("not run", "run by"))


def documents() -> list[Path]:
    """All that is written for people; what an example package says is that package's own."""
    written = [path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"]
    written += (ROOT / "docs").rglob("*.md")
    return sorted(path for path in written if ROOT / "docs" / "examples" not in path.parents)


def snippets_of(document: Path) -> list[Snippet]:
    return list(_snippets(document, document.read_text().splitlines()))


def _snippets(document: Path, lines: list[str]) -> Iterator[Snippet]:
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if not fence:
            continue
        if opened is None:
            opened = number, fence[1]
            continue
        start, language = opened
        opened = None
        indent = len(lines[start]) - len(lines[start].lstrip())
        yield Snippet(
            document=document,
            line=start + 1,
            language=language,
            text="".join(f"{one[indent:]}\n" for one in lines[start + 1 : number]),
            mark=_mark_before(lines, start),
        )


def _mark_before(lines: list[str], fence: int) -> str:
    above = [line.strip() for line in lines[max(0, fence - 2) : fence] if line.strip()]
    found = _MARK.fullmatch(above[-1]) if above else None
    return found[1] if found else ""
