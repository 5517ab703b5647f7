"""A ZIP that is sent while it is written: nothing of it is kept."""

import io
import zipfile
from collections.abc import Iterable, Iterator


class _Sink(io.RawIOBase):
    """Takes what zipfile writes, which can't seek in it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # zipfile writes bytes alone
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def zip_blocks(entries: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """The archive's bytes; each entry is a name with its blocks, and stored as it is."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, blocks in entries:
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
                for block in blocks:
                    entry.write(block)
                    yield sink.take()
    yield sink.take()
