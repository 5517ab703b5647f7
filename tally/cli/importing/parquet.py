"""A Hugging Face dataset: Parquet with its pictures in it."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from tally.annotations.questions import Question
from tally.cli.errors import CliError
from tally.cli.importing.asked import Asked
from tally.cli.importing.files import Files

_ROWS_AT_A_TIME = 64
# What the columns are called, the first that is there.
_IMAGES = ("image", "images")
_QUESTIONS = ("question", "problem", "prompt")
_ANSWERS = ("answer", "solution", "count", "label")
_SUFFIXES = {b"\xff\xd8": "jpg", b"\x89P": "png", b"RI": "webp", b"GI": "gif", b"BM": "bmp"}


def read_parquet(files: Files, names: Collection[str]) -> Iterator[Asked]:
    """The questions of files of one data set; raises CliError."""
    for name in sorted(names):
        yield from _read(files.read(name), name)


def _read(data: bytes, name: str) -> Iterator[Asked]:
    try:
        import pyarrow as pa  # noqa: PLC0415  a large package, in an extra of its own
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        message = "Reading Parquet needs pyarrow; `pip install pyarrow` brings it."
        raise CliError(message) from error
    try:
        file = parquet.ParquetFile(pa.BufferReader(data))
        there = file.schema_arrow.names
        columns = [_find(there, known, name) for known in (_IMAGES, _QUESTIONS, _ANSWERS)]
        for batch in file.iter_batches(_ROWS_AT_A_TIME, columns=columns):
            for row in batch.to_pylist():
                image, question, answer = (row[column] for column in columns)
                yield _ask(image, question, answer, name)
    except pa.ArrowException as error:
        raise CliError(f"{name} is no whole Parquet file.") from error


def _find(columns: Collection[str], known: Sequence[str], name: str) -> str:
    for column in known:
        if column in columns:
            return column
    raise CliError(
        f"{name} has no column {known[0]}; it has {', '.join(columns)}. "
        f"One is called {' or '.join(known)}."
    )


def _ask(image: Any, question: Any, answer: Any, name: str) -> Asked:
    """Equal pictures are one, named by their content."""
    if isinstance(image, list) and len(image) == 1:
        image = image[0]
    data = image.get("bytes") if isinstance(image, dict) else image
    if not isinstance(data, bytes):
        raise CliError(f"{name} holds a row without one picture in it.")
    suffix = _SUFFIXES.get(data[:2], "img")
    picture = f"{hashlib.sha256(data).hexdigest()[:24]}.{suffix}"
    return Asked(Question(picture, str(question), str(answer)), lambda: data)
