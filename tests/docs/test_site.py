"""The documents as a site: built without a warning, the same as in the repository, and read without
a network.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from playwright.async_api import Browser, expect

from deploy.site.repository_links import without_repository_links
from tests.docs.snippets import ROOT
from tests.ui.visitor import chromium

# Of what a page shows, what would be gone or doubled where two readers of Markdown disagree.
_COUNTED = {"h2", "h3", "li", "table", "tr", "pre", "img"}
_DOCS = ROOT / "docs"
_TRANSLATED = "zh-TW"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


class _Tags(HTMLParser):
    """The tags of a page with their attributes; with `within`, those in elements of that name."""

    def __init__(self, within: str = "") -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._within, self._depth = within, 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._depth += tag == self._within
        if self._depth or not self._within:
            self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == self._within


def _tags(html: str, within: str = "") -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags(within)
    parser.feed(html)
    return parser.found


def _counted(html: str, within: str = "") -> Counter[str]:
    return Counter(tag for tag, _ in _tags(html, within) if tag in _COUNTED)


def _documents() -> list[str]:
    return sorted(
        str(path.relative_to(_DOCS))
        for path in _DOCS.rglob("*.md")
        if path.suffixes == [".md"] and "examples" not in path.parts
    )


@pytest.mark.parametrize("document", [one for one in _documents() if "reference/" not in one])
def test_a_page_shows_what_the_document_says(site: Path, document: str):
    """Python-Markdown, which the site uses, reads lists and fences otherwise than code hosts do."""
    written = MarkdownIt("commonmark").enable("table").render((_DOCS / document).read_text())
    page = (site / document).with_suffix(".html").read_text()
    assert _counted(page, within="article") == _counted(written)


def test_every_page_is_there_in_both_languages(site: Path):
    for document in _documents():
        for folder, language in (site, "en"), (site / _TRANSLATED, _TRANSLATED):
            page = (folder / document).with_suffix(".html").read_text()
            assert _language(page) == language, (folder, document)


def _language(page: str) -> str | None:
    return next(attributes["lang"] for tag, attributes in _tags(page) if tag == "html")


def test_a_translation_stands_in_the_place_of_its_page(site: Path):
    assert "依顯示卡選擇設定" in (site / _TRANSLATED / "tutorial.html").read_text()
    assert "The REST API" in (site / _TRANSLATED / "api.html").read_text()


def test_no_page_loads_anything_from_another_host(site: Path):
    loading = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
    for page in site.rglob("*.html"):
        for tag, attributes in _tags(page.read_text()):
            address = attributes.get(loading.get(tag, ""), "") or ""
            assert not re.match(r"(https?:)?//", address), (page, tag, address)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text()), sheet


async def test_it_is_read_from_a_folder_and_asks_no_host(site: Path, browser: Browser):
    asked: list[str] = []
    page = await browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    await page.goto((site / "index.html").as_uri())
    await page.get_by_role("link", name="tutorial", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Your own photos")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_the_generated_pages_hold_every_operation_and_command(site: Path):
    rest = (site / "reference" / "rest.html").read_text()
    commands = (site / "reference" / "commands.html").read_text()
    assert "POST /upload-data" in rest
    assert "training_config" in rest
    assert "tally train" in commands
    assert "--priority" in commands


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("[a](../b.py)", "a"),
        ("[`a`](../b/c.py)", "`a`"),
        ("[a](api.md#b)", "[a](api.md#b)"),
        ("[a](examples/b/README.md)", "a"),
        ("[a](https://b.org)", "[a](https://b.org)"),
        ("[a](#b)", "[a](#b)"),
    ],
)
def test_a_link_into_the_repository_is_text(link: str, shown: str):
    assert without_repository_links(f"x {link} y", "page.md", {"api.md"}) == f"x {shown} y"


def test_a_link_of_a_page_in_a_folder_is_read_from_there():
    text = "[a](../api.md) [b](../../c.py)"
    written = without_repository_links(text, "how-to/page.md", {"api.md"})
    assert written == "[a](../api.md) b"
