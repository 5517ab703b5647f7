"""The entries of a ZIP, judged by name and kind."""

import stat
import unicodedata
from collections import Counter
from dataclasses import dataclass

from gateway.errors import Problem, refuse
from gateway.uploads.zip_directory import DirectoryEntry
from tally.messages.message import Message

CSV_NAME, JSON_LINES_NAME = "main.csv", "main.jsonl"
IMAGES_FOLDER = "images/"
MOST_NAME_CHARACTERS = 255
_MOST_WRAPPERS = 4
_STORED, DEFLATED = 0, 8
ENCRYPTED, _UTF8 = 0x0001 | 0x0040, 0x0800
_IGNORED_NAMES = {".ds_store", "thumbs.db", "desktop.ini"}
_ARCHIVE_SUFFIXES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True)
class Entry:
    """A regular file of the ZIP under its judged name, the wrapping folder taken away."""

    name: str
    record: DirectoryEntry


def judge(records: list[DirectoryEntry], encoding: str | None) -> list[Entry]:
    """The regular files that count; folders and what operating systems add are left out."""
    problems: list[Problem] = []
    entries: list[Entry] = []
    for record in records:
        name = _decode_name(record, encoding)
        problem = _name_problem(name) or _kind_problem(record)
        shown = "".join(mark if mark.isprintable() else "?" for mark in name)[:MOST_NAME_CHARACTERS]
        if problem:
            problems.append(Problem(shown, problem))
        elif not _is_ignored(name):
            problem = _content_problem(name, record)
            problems += [Problem(shown, problem)] if problem else []
            entries.append(Entry(name, record))
    counts = Counter(entry.name for entry in entries)
    twice = [name for name, count in counts.items() if count > 1]
    problems += [Problem(name, Message("entry_twice")) for name in twice]
    refuse(problems)
    return entries


def is_untold(record: DirectoryEntry) -> bool:
    """Whether the name is no UTF-8 and does not claim to be: it is in some encoding of its own."""
    if record.flags & _UTF8 or record.raw_name.isascii():
        return False
    try:
        record.raw_name.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _decode_name(record: DirectoryEntry, encoding: str | None) -> str:
    """The name with forward slashes, composed (NFC) as CSV files have it."""
    legacy = encoding if encoding and is_untold(record) else "cp437"
    try:
        name = record.raw_name.decode("utf-8")
    except UnicodeDecodeError:
        name = record.raw_name.decode(legacy, "replace")
    name = name.replace("\\", "/")
    # Composing takes the square of a name's length; one that is too long is refused anyway.
    return unicodedata.normalize("NFC", name) if len(name) <= MOST_NAME_CHARACTERS else name


def _name_problem(name: str) -> Message | None:
    if not name or len(name) > MOST_NAME_CHARACTERS:
        return Message("entry_name_length", most=MOST_NAME_CHARACTERS)
    if not name.isprintable():
        return Message("entry_name_unprintable")
    if name.startswith("/") or name[1:2] == ":":
        return Message("entry_name_absolute")
    if any(part in ("..", ".") for part in name.split("/")):
        return Message("entry_name_leads_out")
    return None


def _kind_problem(record: DirectoryEntry) -> Message | None:
    kind = stat.S_IFMT(record.unix_mode)
    if kind == stat.S_IFLNK:
        return Message("entry_symbolic_link")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Message("entry_no_file")
    return None


def _content_problem(name: str, record: DirectoryEntry) -> Message | None:
    if record.flags & ENCRYPTED:
        return Message("entry_encrypted")
    if record.method not in (_STORED, DEFLATED):
        return Message("entry_compression")
    if name.lower().endswith(_ARCHIVE_SUFFIXES):
        return Message("entry_archive")
    return None


def _is_ignored(name: str) -> bool:
    parts = name.split("/")
    base = parts[-1]
    return (
        not base or "__MACOSX" in parts or base.startswith("._") or base.lower() in _IGNORED_NAMES
    )


def unwrap(entries: list[Entry]) -> dict[str, Entry]:
    """Takes the folders around everything away, one after another."""
    for _ in range(_MOST_WRAPPERS):
        if not entries or not _are_wrapped(entries):
            break
        entries = [Entry(entry.name.split("/", 1)[1], entry.record) for entry in entries]
    return {entry.name: entry for entry in entries}


def _are_wrapped(entries: list[Entry]) -> bool:
    top, slash, _ = entries[0].name.partition("/")
    within = f"{top}/"
    return (
        bool(slash)
        and within.lower() != IMAGES_FOLDER
        and all(entry.name.startswith(within) for entry in entries)
    )
