"""Links of a document to what the site has no page of: files of the repository. Pure."""

import posixpath
import re
from collections.abc import Container

_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\(([^)\s]+)\)")


def without_repository_links(text: str, document: str, pages: Container[str]) -> str:
    """`document` with such links as their text alone; it and `pages` are paths within docs/."""

    def shown(link: re.Match[str]) -> str:
        leads_out = _leads_out(link[2], posixpath.dirname(document), pages)
        return link[1] if leads_out else link[0]

    return _LINK.sub(shown, text)


def _leads_out(target: str, folder: str, pages: Container[str]) -> bool:
    if ":" in target or target.startswith("#"):
        return False
    path = posixpath.normpath(posixpath.join(folder, target.partition("#")[0]))
    return path.startswith(("../", "examples/")) and path not in pages
