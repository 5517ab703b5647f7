"""YOLO's labels (https://docs.ultralytics.com/datasets/detect) as counts."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

import yaml

from tally.annotations.errors import BadLabel, NoClassNames, NoSuchClass
from tally.annotations.questions import CountedImage

PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif",
)  # fmt: skip
MOST_NAMES_BYTES = 64 * 1024
# Libyaml's, where there is one: it is fast, and nothing may be nested deeply.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_CLASS = re.compile(r"\s*(\d{1,6})(?:\s|$)")
_IMAGES = re.compile(r"(?:^|(?<=/))images(?=/)", re.I)
_LISTS = ("classes.txt", "obj.names", "labels.txt")


def find_class_names(names: Collection[str]) -> str | None:
    """The file that names the classes: data.yaml, or a list such as classes.txt."""
    by_base = sorted(names, key=lambda name: (name.count("/"), name))
    for name in by_base:
        if name.lower().endswith((".yaml", ".yml")):
            return name
    return next((name for name in by_base if name.rsplit("/", 1)[-1].lower() in _LISTS), None)


def read_class_names(name: str, data: bytes) -> Mapping[int, str]:
    """The names of the classes by their numbers; raises NoClassNames.

    Of YAML lists, mappings and texts alone are read: merged mappings double with every line.
    """
    try:
        text = data.decode("utf-8-sig")
        if not name.lower().endswith((".yaml", ".yml")):
            lines = [line.strip() for line in text.splitlines()]
            return _check({number: line for number, line in enumerate(lines) if line})
        names = yaml.load(text, Loader=_LOADER)["names"]
    except (UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError, RecursionError, ValueError):
        raise NoClassNames from None
    if isinstance(names, list):
        names = dict(enumerate(names))
    return _check(names)


def _check(names: object) -> Mapping[int, str]:
    if not isinstance(names, dict) or not names:
        raise NoClassNames
    if not all(isinstance(name, str) for name in names.values()):
        raise NoClassNames
    try:
        return {int(number): name for number, name in names.items()}
    except (TypeError, ValueError):
        raise NoClassNames from None


def find_labels(names: Collection[str]) -> dict[str, str | None]:
    """The pictures, sorted, each with its file of labels; None where it has none.

    The file lies in labels/ where the picture lies in images/, or else beside it.
    """
    pictures = sorted(name for name in names if name.lower().endswith(PICTURE_SUFFIXES))
    return {picture: _find_label(picture, names) for picture in pictures}


def _find_label(picture: str, names: Collection[str]) -> str | None:
    beside = picture.rsplit(".", 1)[0] + ".txt"
    for folder in reversed(list(_IMAGES.finditer(picture))):
        parallel = f"{beside[: folder.start()]}labels{beside[folder.end() :]}"
        if parallel in names:
            return parallel
    return beside if beside in names else None


def name_counts(
    picture: str, counts: Counter[int], classes: Mapping[int, str], *, zero_counts: bool
) -> Iterator[CountedImage]:
    """The classes that a picture has, in their order; all of them with `zero_counts`."""
    for number in sorted(classes) if zero_counts else sorted(counts):
        yield CountedImage(picture, classes[number], counts[number])


def count_labels(data: bytes, classes: Mapping[int, str]) -> Counter[int]:
    """How many objects of each class a file of labels has; raises BadLabel or NoSuchClass."""
    counts: Counter[int] = Counter()
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), start=1):
        if not line.strip():
            continue
        found = _CLASS.match(line)
        if found is None:
            raise BadLabel(number)
        if int(found[1]) not in classes:
            raise NoSuchClass(number, int(found[1]))
        counts[int(found[1])] += 1
    return counts
