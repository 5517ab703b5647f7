"""Annotations of COCO and YOLO as rows: a question for each image and kind of thing."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

from gateway.errors import TooLarge, Unprocessable
from gateway.settings import MIB, GatewaySettings
from gateway.uploads.archive import Archive
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.checking import Check
from gateway.uploads.reading import Reading
from gateway.uploads.rows import Row, Table, gather_rows
from tally.annotations import errors
from tally.annotations.coco import count_coco
from tally.annotations.questions import CountedImage, ask
from tally.annotations.yolo import (
    MOST_NAMES_BYTES,
    count_labels,
    find_labels,
    name_counts,
    read_class_names,
)
from tally.messages.message import Message

_MOST_LABEL_BYTES = MIB


def read_coco(
    archive: Archive, name: str, reading: Reading, settings: GatewaySettings, bad: BadRows
) -> Check[Table]:
    """The rows of a COCO file; raises Unprocessable or TooLarge."""
    data = archive.read(name, settings.max_csv_bytes)
    yield
    counted = count_coco(data, zero_counts=reading.zero_counts)
    folder = name.rpartition("/")[0]
    beside = (_beside(one, folder, archive.entries) for one in _refuse_bad(counted, name))
    return (yield from _make_rows(beside, name, reading, settings, bad))


def read_yolo(
    archive: Archive, name: str, reading: Reading, settings: GatewaySettings, bad: BadRows
) -> Check[Table]:
    """The rows of files of labels, whose classes `name` names; raises Unprocessable or TooLarge."""
    with _translate_errors(name):
        classes = read_class_names(name, archive.read(name, MOST_NAMES_BYTES))
    counts: dict[str, Counter[int]] = {}
    pairs = 0
    for picture, label in find_labels(archive.entries).items():
        yield
        with _translate_errors(label or picture):
            data = archive.read(label, _MOST_LABEL_BYTES) if label else b""
            counts[picture] = count_labels(data, classes)
        pairs += len(classes) if reading.zero_counts else len(counts[picture])
        if pairs > settings.max_rows:
            raise TooLarge.at(name, Message("too_many_rows", most=settings.max_rows))
    counted = chain.from_iterable(
        name_counts(picture, by_class, classes, zero_counts=reading.zero_counts)
        for picture, by_class in counts.items()
    )
    return (yield from _make_rows(counted, name, reading, settings, bad))


def _beside(counted: CountedImage, folder: str, names: Collection[str]) -> CountedImage:
    """The image in the annotations' own folder, where it is there."""
    name = f"{folder}/{counted.image}"
    return counted._replace(image=name) if name in names else counted


def _make_rows(
    counted: Iterable[CountedImage],
    name: str,
    reading: Reading,
    settings: GatewaySettings,
    bad: BadRows,
) -> Check[Table]:
    """Rows that are numbered in their order, from 1."""
    found = ((number, _row(number, one, reading)) for number, one in enumerate(counted, start=1))
    return gather_rows(found, name, settings, bad)


def _row(number: int, counted: CountedImage, reading: Reading) -> Row:
    image, question, answer = ask(counted, reading.question_language)
    return Row(number, image.strip(), question, answer, counted.true_count)


def _refuse_bad(counted: Iterator[CountedImage], name: str) -> Iterator[CountedImage]:
    with _translate_errors(name):
        yield from counted


@contextmanager
def _translate_errors(name: str) -> Iterator[None]:
    """Raises Unprocessable at the entry."""
    try:
        yield
    except errors.BadAnnotations as error:
        raise Unprocessable.at(name, _describe(error)) from None


def _describe(error: errors.BadAnnotations) -> Message:
    match error:
        case errors.NoCoco():
            return Message("coco_unreadable", explanation=error.explanation)
        case errors.NoSuchImage():
            return Message("coco_no_such_image", image_id=error.image_id)
        case errors.NoSuchCategory():
            return Message("coco_no_such_category", category_id=error.category_id)
        case errors.BadLabel():
            return Message("label_unreadable", line=error.line)
        case errors.NoSuchClass():
            return Message("label_no_such_class", line=error.line, number=error.number)
    return Message("class_names_missing")
