"""What MkDocs calls while it builds the site: it adds what is generated whole, and shows links that
lead out of docs/ as text.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority

from deploy.site.commands import written_commands
from deploy.site.operations import written_operations
from deploy.site.repository_links import without_repository_links

# What follows the text of a page.
_GENERATED: dict[str, Callable[[], str]] = {
    "reference/commands.md": written_commands,
    "reference/rest.md": written_operations,
}


@event_priority(100)
def on_config(config: Any) -> Any:
    """A folder in the navigation stands for all pages in it."""
    config.nav = _with_pages_of_folders(config.nav, Path(config.docs_dir))
    return config


def _with_pages_of_folders(entry: Any, docs: Path) -> Any:
    if isinstance(entry, dict):
        return {title: _with_pages_of_folders(inner, docs) for title, inner in entry.items()}
    if isinstance(entry, list):
        return [_with_pages_of_folders(inner, docs) for inner in entry]
    if entry.endswith("/"):
        return [str(page.relative_to(docs)) for page in sorted((docs / entry).glob("*.md"))]
    return entry


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    path = page.file.src_uri
    generated = _GENERATED[path]() if path in _GENERATED else ""
    return without_repository_links(f"{markdown}\n{generated}", path, files.src_uris)
