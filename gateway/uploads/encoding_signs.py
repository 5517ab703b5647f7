"""Which encoding bytes are in that are no UTF-8, by every sign there is.

A wrong guess would be wrong text that nobody sees: where two readings are possible, none is taken.
"""

import codecs
import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from charset_normalizer import from_bytes

# By the codec that reads all of it, how it is called. Those of Windows hold what the standards
# hold, and more.
TOLD = {
    "cp950": "Big5",
    "gbk": "GBK",
    "cp932": "Shift-JIS",
    "euc_kr": "EUC-KR",
    "cp1252": "Windows-1252",
}
_UTF16_MARKS = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
_BEYOND_ASCII, _LINE_END = re.compile(rb"[\x80-\xff]"), re.compile(rb"[\r\n]")
_RUN_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_SAMPLE_BYTES = 32 * 1024
_MOST_NAMES_TRIED, _SEARCHED_BYTES = 50, 1024**2
# Fewer characters beyond ASCII tell nothing.
_FEWEST_CHARACTERS = 3
_COMMON_SHARE, _LIKELY_SHARE = 0.9, 0.5
# How much less common characters, or more mess, a reading must have to be none.
_CLEAR_SHARE, _CLEAR_MESS = 0.15, 0.05


class Guess(NamedTuple):
    """The only codec that is possible, or the likeliest of several; a key of TOLD."""

    codec: str
    is_sure: bool


def find_utf16(data: bytes) -> str | None:
    """The UTF-16 that a byte-order mark or the zeros beside the header's letters tell."""
    for codec, mark in _UTF16_MARKS.items():
        if data.startswith(mark):
            return codec
    even, odd = data[0:20:2], data[1:20:2]
    if len(data) >= 20 and len(data) % 2 == 0:
        if not any(odd) and all(even):
            return "utf-16-le"
        if not any(even) and all(odd):
            return "utf-16-be"
    return None


def guess_encoding(data: bytes, names: Collection[str]) -> Guess | None:
    """The encoding of a table; None where it is in none that is known.

    Names of the ZIP's entries that the bytes hold in one encoding alone are the strongest sign.
    Else nearly all characters must be common ones in one encoding alone, or one reading be by far
    the least of a mess to charset-normalizer, and both may not contradict each other.
    """
    if named := _find_by_names(data, names):
        return Guess(named, is_sure=True)
    sample = _sample(data)
    shares = dict(_share_common(sample))
    mess = {one.encoding: one.chaos for one in from_bytes(sample, cp_isolation=list(TOLD))}
    by_share = _find_clear({codec: -share for codec, share in shares.items()}, _CLEAR_SHARE)
    by_mess = _find_clear({codec: mess[codec] for codec in mess if codec in TOLD}, _CLEAR_MESS)
    told = {
        codec for codec in (by_share, by_mess) if codec and shares.get(codec, 0.0) >= _COMMON_SHARE
    }
    if len(told) == 1:
        return Guess(told.pop(), is_sure=True)
    shares.pop("cp1252", None)  # which reads nearly anything
    likeliest = max(shares, key=lambda one: shares[one], default=None)
    if likeliest is None or shares[likeliest] < _LIKELY_SHARE:
        return None
    return Guess(likeliest, is_sure=False)


def _find_clear(costs: Mapping[str, float], distance: float) -> str | None:
    """What costs least, where nothing else costs nearly as little."""
    best = min(costs, key=lambda one: costs[one], default=None)
    if best is None or any(
        cost - costs[best] < distance for codec, cost in costs.items() if codec != best
    ):
        return None
    return best


def _share_common(sample: bytes) -> Iterator[tuple[str, float]]:
    """For each codec that reads the bytes, the share of common ones of its characters."""
    for codec in TOLD:
        try:
            text = sample.decode(codec)
        except UnicodeDecodeError:
            continue
        runs = _RUN_BEYOND_ASCII.findall(text)
        characters = sum(map(len, runs))
        if characters >= _FEWEST_CHARACTERS:
            # Letters with accents stand alone; what stands in pairs is other text, read wrongly.
            read = [run for run in runs if len(run) == 1] if codec == "cp1252" else runs
            marks = [mark for run in read for mark in run]
            common = sum(_is_common(mark, mark.encode(codec), codec) for mark in marks)
            yield codec, common / characters


def _is_common(mark: str, encoded: bytes, codec: str) -> bool:
    """Whether texts in the encoding are mostly made of such characters: their first level."""
    lead = encoded[0]
    if codec == "cp1252":
        return mark.isalpha() and lead >= 0xC0
    if len(encoded) == 1:
        return False  # such as half-width kana
    if codec == "cp950":
        return lead == 0xA1 or 0xA4 <= lead <= 0xC6
    if codec == "cp932":
        return lead in (0x81, 0x82, 0x83) or 0x88 <= lead <= 0x97
    last = 0xD7 if codec == "gbk" else 0xC8
    return lead in (0xA1, 0xA3) or (0xB0 <= lead <= last and encoded[1] >= 0xA1)


def _find_by_names(data: bytes, names: Collection[str]) -> str | None:
    """The only codec in which the bytes hold most of the names that are not ASCII."""
    telling = [name for name in names if not name.isascii()][:_MOST_NAMES_TRIED]
    data = data[:_SEARCHED_BYTES]
    found = {codec: sum(_holds(data, name, codec) for name in telling) for codec in TOLD}
    most = max(found.values())
    best = [codec for codec, count in found.items() if count == most]
    return best[0] if most and len(best) == 1 else None


def _holds(data: bytes, name: str, codec: str) -> bool:
    try:
        return name.rsplit("/", 1)[-1].encode(codec) in data
    except UnicodeEncodeError:
        return False


def _sample(data: bytes) -> bytes:
    """Lines that are not ASCII, up to a size that is judged in a moment."""
    lines, left, at = [], _SAMPLE_BYTES, 0
    while left > 0 and (found := _BEYOND_ASCII.search(data, at)):
        before = data[max(at, found.start() - left) : found.start()]
        end = _LINE_END.search(data, found.start(), found.start() + left)
        at = end.start() if end else found.start() + left
        line = _LINE_END.split(before)[-1] + data[found.start() : at]
        if len(line) <= left and (end or at >= len(data)):
            lines.append(line)
        left -= len(line) + 1
    return b"\n".join(lines)
