"""A Hugging Face data set's table: Parquet with its pictures in it."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tally.annotations.errors import BadAnnotations, NoColumn, NoParquet, NoPicture
from tally.annotations.questions import Question

_ROWS_AT_A_TIME = 64
# What the columns are called, the first that is there.
_IMAGES = ("image", "images")
_QUESTIONS = ("question", "problem", "prompt")
_ANSWERS = ("answer", "solution", "count", "label")
_SUFFIXES = {b"\xff\xd8": "jpg", b"\x89P": "png", b"RI": "webp", b"GI": "gif", b"BM": "bmp"}


class AskedPicture(NamedTuple):
    """The question names the picture by its content, so that equal pictures are one."""

    question: Question
    picture: bytes


def read_table(source: Path | bytes) -> Iterator[AskedPicture]:
    """The rows of one file, in their order; raises BadAnnotations, and ImportError without pyarrow.

    What it takes of memory is for the file to say: a group of rows is inflated at once.
    """
    import pyarrow as pa  # noqa: PLC0415  a large package, in an extra of its own
    from pyarrow import parquet  # noqa: PLC0415

    try:
        file = parquet.ParquetFile(source if isinstance(source, Path) else pa.BufferReader(source))
        there = file.schema_arrow.names
        columns = [_find(there, known) for known in (_IMAGES, _QUESTIONS, _ANSWERS)]
        batches = file.iter_batches(_ROWS_AT_A_TIME, columns=columns, use_threads=False)
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(rows, start=1):
            image, question, answer = (row[column] for column in columns)
            yield _ask(number, image, str(question), str(answer))
    except (MemoryError, BadAnnotations):  # which are Arrow's exceptions, and values that are bad
        raise
    except (pa.ArrowException, OSError, OverflowError, RecursionError, ValueError) as error:
        raise NoParquet from error


def _find(columns: Collection[str], known: Sequence[str]) -> str:
    for column in known:
        if column in columns:
            return column
    raise NoColumn(known, columns)


def _ask(number: int, image: Any, question: str, answer: str) -> AskedPicture:
    if isinstance(image, list) and len(image) == 1:
        image = image[0]
    data = image.get("bytes") if isinstance(image, dict) else image
    if not isinstance(data, bytes):
        raise NoPicture(number)
    suffix = _SUFFIXES.get(data[:2], "img")
    name = f"{hashlib.sha256(data).hexdigest()[:24]}.{suffix}"
    return AskedPicture(Question(name, question.strip(), answer.strip()), data)
