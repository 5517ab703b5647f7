"""Bytes to text: UTF-8, the encoding that the uploader names, or the only one that they can be."""

import codecs
from collections.abc import Collection
from typing import NamedTuple

from gateway.errors import Unprocessable
from gateway.uploads.encoding_signs import TOLD, find_utf16, guess_encoding
from tally.messages.message import Message

ENCODINGS = (
    "utf-8",
    "utf-16",
    "big5",
    "big5hkscs",
    "cp950",
    "gbk",
    "gb2312",
    "gb18030",
    "shift_jis",
    "euc-kr",
    "iso-8859-1",
    "cp1252",
)
_BY_CODEC = {codecs.lookup(name).name: name for name in ENCODINGS}
# What is asked for to have a text read in an encoding that may be the right one.
_FORM_NAMES = {
    "Big5": "big5",
    "GBK": "gbk",
    "Shift-JIS": "shift_jis",
    "EUC-KR": "euc-kr",
    "Windows-1252": "cp1252",
}


class DecodedText(NamedTuple):
    """A text without its byte-order mark, and the encoding that it was told to be in."""

    text: str
    told: str | None = None


def check_encoding(encoding: str) -> str:
    """The name of the list that `encoding` means; raises Unprocessable where it is not on it."""
    try:
        codec = codecs.lookup(encoding.strip()).name
    except (LookupError, ValueError):
        codec = ""
    if codec == "utf-8-sig":
        return "utf-8"
    if codec not in _BY_CODEC:
        message = Message("encoding_unknown", encodings=", ".join(ENCODINGS))
        raise Unprocessable.at("encoding", message)
    return _BY_CODEC[codec]


def decode(
    data: bytes, encoding: str | None, *, table: str = "main.csv", names: Collection[str] = ()
) -> DecodedText:
    """The text of a table; `names` are those of entries, which it may hold.

    Raises Unprocessable where it is not in the `encoding`, or where none is named and its own
    cannot be told.
    """
    if encoding is not None:
        if (text := _try(data, encoding)) is None:
            message = Message("table_encoding_differs", encoding=encoding)
            raise Unprocessable.at(table, message)
        return DecodedText(text)
    if codec := find_utf16(data):
        return DecodedText(_read(data, codec, table), "UTF-16")
    if (text := _try(data, "utf-8")) is not None:
        return DecodedText(text)
    guess = guess_encoding(data, names)
    if guess is None:
        raise Unprocessable.at(table, Message("table_encoding_unknown"))
    told = TOLD[guess.codec]
    if not guess.is_sure:
        message = Message("table_encoding_suspected", suspected=told, encoding=_FORM_NAMES[told])
        raise Unprocessable.at(table, message)
    return DecodedText(_read(data, guess.codec, table), told)


def _read(data: bytes, codec: str, table: str) -> str:
    if (text := _try(data, codec)) is None:
        raise Unprocessable.at(table, Message("table_encoding_unknown"))
    return text


def _try(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None
