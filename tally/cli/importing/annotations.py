"""Annotations of COCO and YOLO as questions."""

from collections.abc import Iterable, Iterator

from tally.annotations.coco import count_coco
from tally.annotations.errors import BadAnnotations
from tally.annotations.questions import CountedImage, QuestionLanguage, ask
from tally.annotations.yolo import count_labels, find_labels, name_counts, read_class_names
from tally.cli.errors import CliError
from tally.cli.importing.asked import Asked
from tally.cli.importing.files import Files
from tally.cli.importing.pictures import Pictures


def read_coco(
    files: Files, name: str, language: QuestionLanguage, *, zero_counts: bool
) -> Iterator[Asked]:
    """The questions of a COCO file; raises CliError."""
    try:
        counted = list(count_coco(files.read(name), zero_counts=zero_counts))
    except BadAnnotations as error:
        raise CliError(f"{name} {error}.") from error
    return _ask(files, name, counted, language)


def read_yolo(
    files: Files, name: str, language: QuestionLanguage, *, zero_counts: bool
) -> Iterator[Asked]:
    """The questions of files of labels, whose classes `name` names; raises CliError."""
    return _ask(files, name, _count_yolo(files, name, zero_counts=zero_counts), language)


def _count_yolo(files: Files, name: str, *, zero_counts: bool) -> Iterator[CountedImage]:
    place = name
    try:
        classes = read_class_names(name, files.read(name))
        for picture, label in find_labels(files.names).items():
            place = label or picture
            counts = count_labels(files.read(label) if label else b"", classes)
            yield from name_counts(picture, counts, classes, zero_counts=zero_counts)
    except BadAnnotations as error:
        raise CliError(f"{place} {error}.") from error


def _ask(
    files: Files, name: str, counted: Iterable[CountedImage], language: QuestionLanguage
) -> Iterator[Asked]:
    pictures = Pictures(files, name)
    for one in counted:
        yield pictures.ask(ask(one, language))
