"""A multipart upload, streamed to disk while it is hashed."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from gateway.errors import ApiError, TooLarge, Unprocessable
from gateway.settings import Settings
from gateway.text_encoding import check_encoding

_MOST_FIELD_BYTES = 100
_MOST_HEADER_BYTES = 4_096
_MOST_PARTS = 8
_UNPRINTABLE = re.compile(r"[^\w .()\[\]+=@,;~-]")


class Upload(NamedTuple):
    """A file that has arrived whole."""

    path: Path
    filename: str
    digest: str
    encoding: str | None


async def receive_upload(request: Request, folder: Path, settings: Settings) -> Upload:
    """Streams the part `file` into `folder`; raises Unprocessable or TooLarge."""
    boundary = _boundary(request)
    path = folder / "upload.zip"
    with path.open("wb") as file:
        form = _Form(file, settings.max_upload_bytes)
        stream = request.stream()
        try:
            await _feed(MultipartParser(boundary, form.callbacks()), form, stream)
        except (FormParserError, UnicodeDecodeError):
            await _drain(stream)
            message = "is not one whole multipart/form-data form; send it again"
            raise Unprocessable.at("body", message) from None
        except ApiError:
            await _drain(stream)
            raise
    if form.filename is None:
        raise _missing_file()
    encoding = check_encoding(form.encoding) if form.encoding else None
    return Upload(path, form.filename, form.hasher.hexdigest(), encoding)


def _missing_file() -> Unprocessable:
    message = "is missing: send the ZIP as the part 'file' of a multipart/form-data body"
    return Unprocessable.at("file", message)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise _missing_file()
    return options[b"boundary"]


async def _feed(parser: MultipartParser, form: "_Form", stream: AsyncIterator[bytes]) -> None:
    async for block in stream:
        parser.write(block)
        await asyncio.to_thread(form.flush)
    parser.finalize()
    if not form.closed:
        raise FormParserError("the closing boundary is missing")


async def _drain(stream: AsyncIterator[bytes]) -> None:
    """Reads the rest, within the body's limits, so that the client can read the refusal."""
    try:
        async for _ in stream:
            pass
    except (ApiError, ClientDisconnect, RuntimeError):
        return


class _Form:
    """The parser's callbacks: the part `file` goes to disk, `encoding` to memory."""

    def __init__(self, file: BinaryIO, limit_bytes: int) -> None:
        self._file = file
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._parts = 0
        self._blocks: list[bytes] = []
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self._part = ""
        self.hasher = hashlib.sha256()
        self.filename: str | None = None
        self.encoding = ""
        self.closed = False

    def callbacks(self) -> dict[str, Callable]:
        names = (
            "on_part_begin", "on_part_data", "on_header_field", "on_header_value",
            "on_header_end", "on_headers_finished", "on_end",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def flush(self) -> None:
        """Writes and hashes what has come; raises TooLarge beyond the limit."""
        for block in self._blocks:
            self._size_bytes += len(block)
            if self._size_bytes > self._limit_bytes:
                raise TooLarge.at("file", f"is larger than {self._limit_bytes:,} bytes; split it")
            self.hasher.update(block)
            self._file.write(block)
        self._blocks.clear()

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise Unprocessable.at("body", "has too many parts; send 'file' and 'encoding'")
        self._disposition = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name = (self._header_name + data[start:end])[:_MOST_HEADER_BYTES]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value = (self._header_value + data[start:end])[:_MOST_HEADER_BYTES]

    def on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._part = options.get(b"name", b"").decode("utf-8", "replace")
        if self._part == "file":
            if self.filename is not None:
                raise Unprocessable.at("file", "is there twice; send one ZIP")
            self.filename = _clean(options.get(b"filename", b"").decode("utf-8", "replace"))
        elif self._part != "encoding":
            raise Unprocessable.at(
                self._part[:100] or "name", "there is no such field; leave it out"
            )

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "file":
            self._blocks.append(data[start:end])
            return
        if len(self.encoding) + end - start > _MOST_FIELD_BYTES:
            raise Unprocessable.at("encoding", "is too long; send a name such as big5")
        self.encoding += data[start:end].decode("ascii", "replace")

    def on_end(self) -> None:
        self.closed = True


def _clean(filename: str) -> str:
    """The name without folders and without what a shell, a page or a log could stumble over."""
    base = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return _UNPRINTABLE.sub("_", base)[:255].strip() or "upload.zip"
