"""A multipart form, its file streamed to disk while it is hashed."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from gateway.cpu_time import thread_seconds
from gateway.errors import TooLarge, Unprocessable
from gateway.http.upload_pace import UploadPace
from tally.messages.languages import Language
from tally.messages.message import Message

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_MOST_HEADER_BYTES = 4_096
# A way to a thread and back costs as much as writing a block of a socket's.
_FLUSH_BYTES = 1024**2
_MOST_PARTS = 8
_UNPRINTABLE = re.compile(r"[^\w .()\[\]+=@,;~-]")


class IncomingForm(NamedTuple):
    """A form that is being sent: the header Content-Type, the body in blocks, the language that its
    sender reads, and what it is taken in by; None as fast as it comes."""

    content_type: str
    blocks: AsyncIterator[bytes]
    language: Language
    pace: UploadPace | None = None


class FormShape(NamedTuple):
    """What a form holds: one file, and texts with the most bytes of each."""

    file_part: str
    file_missing: Message
    max_file_bytes: int
    texts: Mapping[str, int]


class ReceivedForm(NamedTuple):
    """A form that has arrived whole; `texts` has those that were sent."""

    path: Path
    filename: str
    digest: str
    texts: dict[str, str]


async def receive_form(incoming: IncomingForm, folder: Path, shape: FormShape) -> ReceivedForm:
    """Streams the file of a form into `folder`; raises Unprocessable or TooLarge."""
    boundary = _boundary(incoming.content_type, shape)
    path = folder / "upload"
    with path.open("wb") as file:
        form = _Form(file, shape)
        try:
            await _feed(MultipartParser(boundary, form.callbacks()), form, incoming)
        except (FormParserError, UnicodeDecodeError):
            raise Unprocessable.at("body", Message("form_broken")) from None
    if form.filename is None:
        raise Unprocessable.at(shape.file_part, shape.file_missing)
    texts = {name: _decode(name, value) for name, value in form.texts.items()}
    return ReceivedForm(path, form.filename, form.hasher.hexdigest(), texts)


def _decode(name: str, value: bytes) -> str:
    if b"\0" in value:
        raise Unprocessable.at(name, Message("nul_byte"))
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Unprocessable.at(name, Message("text_no_utf8")) from None


def _boundary(content_type: str, shape: FormShape) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise Unprocessable.at(shape.file_part, shape.file_missing)
    return options[b"boundary"]


async def _feed(parser: MultipartParser, form: "_Form", incoming: IncomingForm) -> None:
    fed_bytes = 0
    async for block in incoming.blocks:
        parser.write(block)
        fed_bytes += len(block)
        if fed_bytes >= _FLUSH_BYTES:
            await _flush(form, fed_bytes, incoming.pace)
            fed_bytes = 0
    await _flush(form, fed_bytes, incoming.pace)
    parser.finalize()
    if not form.closed:
        raise FormParserError("the closing boundary is missing")


async def _flush(form: "_Form", fed_bytes: int, pace: UploadPace | None) -> None:
    seconds = await asyncio.to_thread(form.flush)
    if pace is not None:
        await pace.take(fed_bytes, seconds)


class _Form:
    """The parser's callbacks: the file goes to disk, texts to memory."""

    def __init__(self, file: BinaryIO, shape: FormShape) -> None:
        self._file = file
        self._shape = shape
        self._size_bytes = 0
        self._parts = 0
        self._blocks: list[bytes] = []
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self._part = ""
        self.hasher = hashlib.sha256()
        self.filename: str | None = None
        self.texts: dict[str, bytes] = {}
        self.closed = False

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self.on_part_begin,
            "on_part_data": self.on_part_data,
            "on_header_field": self.on_header_field,
            "on_header_value": self.on_header_value,
            "on_header_end": self.on_header_end,
            "on_headers_finished": self.on_headers_finished,
            "on_end": self.on_end,
        }

    def flush(self) -> float:
        """Writes and hashes what has come → CPU seconds; raises TooLarge beyond the limit."""
        started = thread_seconds()
        for block in self._blocks:
            self._size_bytes += len(block)
            most = self._shape.max_file_bytes
            if self._size_bytes > most:
                raise TooLarge.at(self._shape.file_part, Message("too_many_bytes", most=most))
            self.hasher.update(block)
            self._file.write(block)
        self._blocks.clear()
        return thread_seconds() - started

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            names = ", ".join((self._shape.file_part, *self._shape.texts))
            raise Unprocessable.at("body", Message("too_many_parts", names=names))
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
        if self._part == self._shape.file_part:
            if self.filename is not None:
                raise Unprocessable.at(self._part, Message("part_twice"))
            self.filename = _clean(options.get(b"filename", b"").decode("utf-8", "replace"))
        elif self._part not in self._shape.texts:
            raise Unprocessable.at(self._part[:100] or "name", Message("unknown_field"))
        else:
            self.texts[self._part] = b""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == self._shape.file_part:
            self._blocks.append(data[start:end])
            return
        self.texts[self._part] += data[start:end]
        most = self._shape.texts[self._part]
        if len(self.texts[self._part]) > most:
            raise Unprocessable.at(self._part, Message("part_too_long", most=most))

    def on_end(self) -> None:
        self.closed = True


def _clean(filename: str) -> str:
    """The name without folders and without what a shell, a page or a log could stumble over."""
    base = filename.replace("\\", "/").rsplit("/", 1)[-1]
    return _UNPRINTABLE.sub("_", base)[:255].strip() or "upload.zip"
