"""Parquet to a ZIP with main.jsonl and images/, in a process whose memory and time are bounded.

Its standard input is a Conversion as JSON. It says what is wrong on its standard output, as JSON
with `where` and a message; it is killed, or runs out of memory, where a file asks for too much.
"""

import errno
import json
import os
import resource
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway.uploads.entries import IMAGES_FOLDER, JSON_LINES_NAME
from tally.annotations.errors import BadAnnotations, NoColumn, NoPicture
from tally.annotations.parquet import AskedPicture, read_table
from tally.annotations.questions import Question
from tally.messages.message import Message

# Of a process that ran out of memory.
OUT_OF_MEMORY = os.EX_TEMPFAIL
NO_READER = os.EX_UNAVAILABLE
NO_ROOM = os.EX_CANTCREAT
TOO_LARGE = os.EX_IOERR
_CODES = {errno.ENOSPC: NO_ROOM, errno.EDQUOT: NO_ROOM, errno.EFBIG: TOO_LARGE}


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """The files by their names in the upload, the ZIP that is written, its most bytes, and what the
    process may take. The rows and the pictures are judged with those of any other ZIP."""

    paths: dict[str, str]
    target: str
    max_bytes: int
    memory_bytes: int
    cpu_seconds: int

    def as_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class _Refusal(Exception):
    """`where` is the name of a file."""

    def __init__(self, where: str, message: Message) -> None:
        super().__init__(message)
        self.where, self.message = where, message


def main() -> None:
    conversion = Conversion(**json.load(sys.stdin))
    _bound(conversion)
    try:
        _convert(conversion)
    except _Refusal as refusal:
        told = {"where": refusal.where, "said": refusal.message.as_json()}
        sys.stdout.write(json.dumps(told))
    except ImportError:
        sys.exit(NO_READER)
    except OSError as error:
        sys.exit(_CODES.get(error.errno or 0, os.EX_SOFTWARE))
    except MemoryError:
        # Without the interpreter's own end, which would need some.
        os._exit(OUT_OF_MEMORY)


def _bound(conversion: Conversion) -> None:
    memory, seconds = conversion.memory_bytes, conversion.cpu_seconds
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (conversion.max_bytes, conversion.max_bytes))
    # At the second one it is killed, without a word of why.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))


def _convert(conversion: Conversion) -> None:
    questions: list[Question] = []
    with zipfile.ZipFile(conversion.target, "w", zipfile.ZIP_STORED) as target:
        for question, picture in _read_all(conversion):
            questions.append(question)
            name = f"{IMAGES_FOLDER}{question.image}"
            if name not in target.NameToInfo:
                target.writestr(name, picture)
        target.writestr(JSON_LINES_NAME, "".join(map(_line, questions)))


def _read_all(conversion: Conversion) -> Iterator[AskedPicture]:
    for name, path in conversion.paths.items():
        try:
            yield from read_table(Path(path))
        except BadAnnotations as error:
            raise _Refusal(name, _describe(error)) from error


def _describe(error: BadAnnotations) -> Message:
    if isinstance(error, NoColumn):
        return Message("parquet_column_missing", column=error.column, there=error.there)
    if isinstance(error, NoPicture):
        return Message("parquet_picture_missing", row=error.row)
    return Message("parquet_damaged")


def _line(question: Question) -> str:
    line = {"image": question.image, "question": question.question, "answer": question.answer}
    return json.dumps(line) + "\n"


if __name__ == "__main__":
    main()
