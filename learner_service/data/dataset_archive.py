"""The ZIP of a dataset, read within bounds: whatever it declares, what comes out is counted."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from learner_service.dataset_settings import DatasetSettings
from learner_service.errors import InvalidDataset
from tally.text.sinks import to_status

ROWS_ENTRY = "tally.samples.jsonl"
_MOST_LINE_BYTES = 1024**2
_MOST_ROW_NUMBER = 2**31 - 1
_MOST_COUNT = 1_000_000_000  # the reward service reads no larger one
# Of one entry in a ZIP's directory; the gateway's take some 120.
_DIRECTORY_BYTES = 160
_ENCRYPTED = 0x1
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Line(BaseModel):
    """One line of the rows' entry."""

    model_config = ConfigDict(extra="forbid", strict=True)

    row: int = Field(ge=0, le=_MOST_ROW_NUMBER)
    image: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=1)]
    true_count: int = Field(ge=0, le=_MOST_COUNT)


class DatasetArchive:
    """Its rows, and the images that they name. Everything raises InvalidDataset."""

    def __init__(self, archive: zipfile.ZipFile, limits: DatasetSettings) -> None:
        self._archive = archive
        self._limits = limits
        names = archive.namelist()
        if len(names) > limits.max_entries:
            raise InvalidDataset(
                f"the dataset has {len(names):,} entries; at most {limits.max_entries:,}"
            )
        self._names = set(names)
        if len(self._names) < len(names):
            raise InvalidDataset("an entry of the dataset is there twice; name each once")

    def lines(self) -> Iterator[Line]:
        """In their order; each names an image that is there."""
        numbers: set[int] = set()
        for place, data in enumerate(self._row_bytes(), start=1):
            where = f"{ROWS_ENTRY}, line {place}"
            if place > self._limits.max_rows:
                raise InvalidDataset(f"{where}: at most {self._limits.max_rows:,} rows")
            line = _line(data, where)
            if line.row in numbers:
                raise InvalidDataset(f"{where}: row {line.row} is there twice")
            if len(line.question) > self._limits.max_question_characters:
                most = self._limits.max_question_characters
                raise InvalidDataset(f"{where}: question: at most {most:,} characters")
            if line.image not in self._names:
                raise InvalidDataset(f"{where}: {to_status(line.image)} is not in the dataset")
            numbers.add(line.row)
            yield line
        if not numbers:
            raise InvalidDataset(f"{ROWS_ENTRY} holds no row")

    def image(self, name: str) -> bytes:
        most = self._limits.max_image_bytes
        with self._open(name, most) as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise _too_large(name, most)
        return data

    def _row_bytes(self) -> Iterator[bytes]:
        most, size_bytes = self._limits.max_rows_bytes, 0
        with self._open(ROWS_ENTRY, most) as file:
            while line := file.readline(_MOST_LINE_BYTES + 1):
                size_bytes += len(line)
                if size_bytes > most:
                    raise _too_large(ROWS_ENTRY, most)
                yield line

    @contextmanager
    def _open(self, name: str, most_bytes: int) -> Iterator[IO[bytes]]:
        if name not in self._names:
            raise InvalidDataset(f"{to_status(name)} is not in the dataset")
        entry = self._archive.getinfo(name)
        if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _COMPRESSIONS:
            raise InvalidDataset(f"{to_status(name)}: expected an entry stored or deflated")
        if entry.file_size > most_bytes:
            raise _too_large(name, most_bytes)
        with _damage_as(f"{to_status(name)}: is damaged"), self._archive.open(entry) as file:
            yield file


@contextmanager
def open_dataset(path: Path, limits: DatasetSettings) -> Iterator[DatasetArchive]:
    """Raises InvalidDataset for what is no ZIP; OSError stays what it is until one is open."""
    with _BoundedReads(path, _DIRECTORY_BYTES * limits.max_entries) as file:
        with _damage_as("the dataset is not a ZIP file, or its directory is damaged"):
            archive = zipfile.ZipFile(file)
        with archive:
            yield DatasetArchive(archive, limits)


def check_dataset(path: Path, limits: DatasetSettings) -> None:
    """Raises InvalidDataset unless each line is a row whose image is there; decodes none."""
    with open_dataset(path, limits) as archive:
        for _ in archive.lines():
            pass


class _BoundedReads(io.BufferedReader):
    """Refuses to read more at once: zipfile takes a directory whole, as large as it says it is."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        super().__init__(io.FileIO(path))
        self._most_bytes = most_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        asked = self._most_bytes + 1 if size is None or size < 0 else size
        data = super().read(min(asked, self._most_bytes + 1))
        if len(data) > self._most_bytes:
            raise InvalidDataset("the directory of the dataset's ZIP has too many entries")
        return data


@contextmanager
def _damage_as(message: str) -> Iterator[None]:
    """What zipfile and its decompressors raise of broken bytes are errors of many kinds."""
    try:
        yield
    except InvalidDataset:
        raise
    except Exception as error:
        raise InvalidDataset(message) from error


def _line(data: bytes, where: str) -> Line:
    if len(data) > _MOST_LINE_BYTES:
        raise InvalidDataset(f"{where}: at most {_MOST_LINE_BYTES:,} bytes")
    try:
        return Line.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        said = ": ".join(filter(None, [where, to_status(field), to_status(first["msg"])]))
        raise InvalidDataset(said) from error


def _too_large(name: str, most_bytes: int) -> InvalidDataset:
    return InvalidDataset(f"{to_status(name)}: at most {most_bytes:,} bytes")
