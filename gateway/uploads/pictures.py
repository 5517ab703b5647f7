"""The rows of an upload and their pictures, out of what is stored of it."""

import asyncio
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar, TypeVarTuple

from gateway.errors import Missing
from gateway.images.reading import show_image, thumbnail
from gateway.storage import Storage
from gateway.uploads.dataset import ROWS_ENTRY
from gateway.uploads.file_models import ADAPTER, RowPublic, StoredFile
from tally.host.bounded_cache import BoundedCache
from tally.messages.message import Message

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_INDEXES_KEPT = 4
_SHOWN_BYTES = 16 * 1024**2
_THREADS = 2
_LOCAL_HEADER_BYTES = 30
_CONTENT_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
}


class Picture(NamedTuple):
    data: bytes
    content_type: str


class _Index(NamedTuple):
    """A dataset's rows in order, their entries, and where in the ZIP an entry's header is."""

    rows: Sequence[RowPublic]
    entry_by_row: dict[int, str]
    places: dict[str, tuple[int, int]]


class Pictures:
    """Rows and pictures of uploads; at most two pictures are decoded at once, and what was shown
    lately is kept, since neither ever changes."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._threads = ThreadPoolExecutor(_THREADS, "pictures")
        self._shown = BoundedCache[tuple[str, int, int | None], Picture](
            _SHOWN_BYTES, lambda picture: len(picture.data)
        )

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def rows(self, file: StoredFile) -> Sequence[RowPublic]:
        """Every row, in order."""
        return (await self._in_thread(self._index, file)).rows

    async def picture(self, file: StoredFile, row: int, max_side: int | None) -> Picture:
        """The picture of a row, as it is kept or as a thumbnail; raises Missing."""
        key = file.file_id, row, max_side
        picture = self._shown.get(key)
        if picture is None:
            picture = await self._in_thread(self._picture, file, row, max_side)
            self._shown[key] = picture
        return picture

    async def _in_thread(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work, *arguments)
        except FileNotFoundError:
            raise Missing.at("file_id", Message("no_such_file")) from None

    def _index(self, file: StoredFile) -> _Index:
        if file.kind == ADAPTER:
            return _Index([], {}, {})
        return _read_index(self._dataset(file), self._storage.rows_path(file.file_id))

    def _dataset(self, file: StoredFile) -> Path:
        return self._storage.dataset_path(file.dataset_digest)

    def _picture(self, file: StoredFile, row: int, max_side: int | None) -> Picture:
        index = self._index(file)
        if row not in index.entry_by_row:
            raise Missing.at("row", Message("no_such_row"))
        entry = index.entry_by_row[row]
        data = _stored_bytes(self._dataset(file), *index.places[entry])
        if max_side is not None:
            return Picture(thumbnail(data, max_side), "image/jpeg")
        shown = show_image(data)
        return Picture(shown.data, _CONTENT_TYPES[shown.suffix])


@lru_cache(_INDEXES_KEPT)
def _read_index(dataset: Path, rows_path: Path) -> _Index:
    """Neither file ever changes; reading them again for each picture would take long."""
    names = [json.loads(line) for line in rows_path.read_text("utf-8").splitlines()]
    with zipfile.ZipFile(dataset) as archive:
        rows = [json.loads(line) for line in archive.read(ROWS_ENTRY).splitlines()]
        places = {
            info.filename: (info.header_offset, info.file_size) for info in archive.infolist()
        }
    public = [
        RowPublic(
            row=row["row"],
            image=name["image"],
            question=row["question"],
            answer=name["answer"],
            true_count=row["true_count"],
        )
        for row, name in zip(rows, names, strict=True)
    ]
    return _Index(public, {row["row"]: row["image"] for row in rows}, places)


def _stored_bytes(path: Path, header_offset: int, size_bytes: int) -> bytes:
    """The bytes of an entry, which `gateway.uploads.dataset` stores uncompressed."""
    with path.open("rb") as file:
        file.seek(header_offset)
        name_bytes, extra_bytes = struct.unpack("<HH", file.read(_LOCAL_HEADER_BYTES)[26:])
        file.seek(name_bytes + extra_bytes, 1)
        return file.read(size_bytes)
