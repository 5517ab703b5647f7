"""Which entry of the ZIP the image of a row is, where its name is written a little differently."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

from gateway.uploads.entries import IMAGES_FOLDER
from tally.messages.message import Message

# "coins (1).png", "coins - Copy.png" and "coins - 複製.png" are often coins.png.
_COPY = re.compile(r"(?:copy|複製|副本|拷貝|拷贝|\(\d{1,3}\)|（\d{1,3}）)$")
_SIGNS = re.compile(r"[\W_]+")
# Looked at one by one where they have one name in different folders.
_MOST_ALIKE = 20


class ImageNames:
    """The names of a ZIP's entries, as rows may write them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._by_path: dict[str, list[str]] = defaultdict(list)
        self._by_base: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._names):
            path = plain_name(name)
            self._by_path[path].append(name)
            self._by_base[base_of(path)].append(name)

    def find(self, image: str) -> str | Message:
        """The entry, or what is wrong with the name of one.

        The documented name first; else the only one but for case, `images/` or a folder around.
        """
        documented = image if image.startswith(IMAGES_FOLDER) else IMAGES_FOLDER + image
        for name in (documented, image):
            if name in self._names:
                return name
        path = plain_name(image)
        found = self._by_path.get(path) or self._find_by_end(path)
        if len(found) == 1:
            return found[0]
        if found:
            first, second = found[:2]
            return Message("image_ambiguous", image=image, first=first, second=second)
        near = self._by_stem.get(_stem(path))
        if near is not None:
            return Message("image_missing_near", image=documented, near=near)
        return Message("image_missing", image=documented)

    def _find_by_end(self, path: str) -> list[str]:
        """The entries in other folders whose path ends as this one does, or the reverse."""
        alike = self._by_base.get(base_of(path), [])
        if len(alike) > _MOST_ALIKE:
            return []
        return [name for name in alike if _is_end(path, plain_name(name))]

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        return {_stem(path): names[0] for path, names in self._by_path.items()}


def is_as_documented(image: str, entry: str) -> bool:
    """Whether a row writes the entry's name as it is, with or without images/."""
    return entry in (image, IMAGES_FOLDER + image) and entry.startswith(IMAGES_FOLDER)


def plain_name(name: str) -> str:
    """A path in one case and spelling, without images/ at its beginning."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return folded.removeprefix(IMAGES_FOLDER)


def base_of(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _is_end(one: str, other: str) -> bool:
    """Whether one of two paths ends in the other."""
    short, long = sorted((one, other), key=len)
    return f"/{long}".endswith(f"/{short}")


def _stem(path: str) -> str:
    """A name without its folder, its ending, the marks of copies, blanks and signs."""
    stem = base_of(path).rsplit(".", 1)[0]
    while copy := _COPY.search(stem := stem.rstrip(" _-")):
        stem = stem[: copy.start()]
    return _SIGNS.sub("", stem)
