"""Many phrases as one pattern, and what stands right before a place of a text."""

import re
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

Role = TypeVar("Role")
_Trie = dict[str, "_Trie"]
# Blanks, emphasis, brackets and quotes may stand between a phrase and its number.
_BETWEEN = r"[\s*_\"'`(\[「『“]{0,6}"
_WINDOW = 36


def split(table: str) -> list[str]:
    """The phrases of a table: separated by bars, or by the ends of lines."""
    return [phrase for phrase in table.replace("\n", "|").split("|") if phrase]


def any_of(phrases: Iterable[str]) -> str:
    """A pattern of all phrases, the longest first, that looks at each character once.

    >>> any_of(["so", "some", "at"])
    '(?:at|so(?:me|))'
    """
    root: _Trie = {}
    for phrase in phrases:
        node = root
        for character in phrase:
            node = node.setdefault(character, {})
        node[""] = {}
    return _pattern(root)


def _pattern(node: _Trie) -> str:
    ends = "" in node
    branches = sorted(re.escape(c) + _pattern(after) for c, after in node.items() if c)
    if not branches:
        return ""
    if len(branches) == 1 and not ends:
        return branches[0]
    return f"(?:{'|'.join([*branches, ''] if ends else branches)})"


class PhrasesBefore(Generic[Role]):
    """Tells by the phrase that ends before a place what it says of what stands there.

    The text is read backwards, so that a look costs as much as the phrase is long.

    >>> PhrasesBefore({"at least": "bound"}).find("there are at least 3", 19)
    ('bound', 10)
    """

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self._roles = {phrase[::-1]: role for phrase, role in roles.items()}
        words = any_of(phrase for phrase in self._roles if phrase[-1].isascii())
        others = any_of(phrase for phrase in self._roles if not phrase[-1].isascii())
        self._pattern = re.compile(rf"{_BETWEEN}({words}(?![a-z0-9_])|{others})")

    def find(self, text: str, place: int) -> tuple[Role, int] | None:
        """The role of the longest phrase before `place`, and where that phrase begins."""
        match = self._pattern.match(text[max(0, place - _WINDOW) : place][::-1])
        return (self._roles[match[1]], place - match.end()) if match else None
