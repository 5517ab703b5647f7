"""Bytes to text: UTF-8, or the encoding that the uploader names."""

import codecs
import re

from gateway.errors import Unprocessable
from gateway.messages.message import Message

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
_SAMPLE_BYTES = 64 * 1024
_DOUBLE = re.compile(rb"[\x81-\xfe][\x40-\xfe]")


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


def decode(data: bytes, encoding: str | None) -> str:
    """The text without its byte-order mark; raises Unprocessable that names a likely encoding."""
    if encoding is None and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _not_utf8("UTF-16", "utf-16")
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding is not None:
            message = Message("table_encoding_differs", encoding=encoding)
            raise Unprocessable.at("main.csv", message) from None
        raise _suspect(data) from None
    return text.removeprefix("\ufeff")


def _not_utf8(suspected: str, encoding: str) -> Unprocessable:
    message = Message("table_encoding_suspected", suspected=suspected, encoding=encoding)
    return Unprocessable.at("main.csv", message)


def _suspect(data: bytes) -> Unprocessable:
    big5, gbk = _decodes(data, "cp950"), _decodes(data, "gbk")
    pairs: list[bytes] = _DOUBLE.findall(data[:_SAMPLE_BYTES])
    if big5 and (not gbk or _big5_share(pairs) >= _gbk_share(pairs)):
        return _not_utf8("Big5", "big5")
    if gbk:
        return _not_utf8("GBK", "gbk")
    return Unprocessable.at("main.csv", Message("table_encoding_unknown"))


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _big5_share(pairs: list[bytes]) -> float:
    """Share of the two-byte characters that are frequent ones of Big5 (level 1)."""
    common = sum(0xA4 <= pair[0] <= 0xC6 or pair[0] == 0xA1 for pair in pairs)
    return common / max(1, len(pairs))


def _gbk_share(pairs: list[bytes]) -> float:
    """Share of the two-byte characters that are frequent ones of GBK (GB 2312 level 1)."""
    lead = [pair for pair in pairs if 0xB0 <= pair[0] <= 0xD7 or pair[0] in (0xA1, 0xA3)]
    return sum(pair[1] >= 0xA1 for pair in lead) / max(1, len(pairs))
