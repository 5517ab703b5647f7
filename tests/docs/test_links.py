"""Every link of the documents leads somewhere: to a file, and to a heading of it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.snippets import ROOT, documents

_FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ALL = documents()


def _links(text: str) -> list[str]:
    return _LINK.findall(_CODE.sub("``", _FENCED.sub("", text)))


def _anchors(document: Path) -> set[str]:
    """Of its headings, as code hosts name them; one that comes again has a number."""
    seen: dict[str, int] = {}
    for heading in _HEADING.findall(_FENCED.sub("", document.read_text())):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        seen[name] = seen.get(name, -1) + 1
    return {f"{name}-{n}" if n else name for name, most in seen.items() for n in range(most + 1)}


def _broken(document: Path, text: str) -> Iterator[str]:
    for link in _links(text):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or not target.is_relative_to(ROOT):
            yield f"{link}: there is no such file"
        elif anchor and target.suffix == ".md" and anchor not in _anchors(target):
            yield f"{link}: there is no such heading"


@pytest.mark.parametrize("document", _ALL, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path):
    assert list(_broken(document, document.read_text())) == []


def test_broken_links_are_found():
    text = "[a](none.md) [b](#none) [c](#words) `[d](none)`\n```\n[e](none)\n```\n[f](http://x)"
    found = list(_broken(ROOT / "docs" / "page.md", text))
    assert [said.partition(":")[0] for said in found] == ["none.md", "#none", "#words", "http"]


def test_every_document_of_the_site_is_linked_to():
    linked = {
        (document.parent / link.partition("#")[0]).resolve()
        for document in [*_ALL, ROOT / "docs" / "index.md"]
        for link in _links(document.read_text())
    }
    pages = [path for path in (ROOT / "docs").rglob("*.md") if path.suffixes == [".md"]]
    left = [path for path in pages if path not in linked and path.name != "index.md"]
    assert [str(path) for path in left if "decisions" not in path.parts] == []


def test_each_translation_says_the_same_headings():
    """As many, of the same levels, so that a translation lacks no part."""
    for translated in (ROOT / "docs").rglob("*.zh-TW.md"):
        english = translated.with_name(translated.name.replace(".zh-TW", ""))
        assert _levels(translated) == _levels(english), translated


def _levels(document: Path) -> list[int]:
    text = _FENCED.sub("", document.read_text())
    return [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
