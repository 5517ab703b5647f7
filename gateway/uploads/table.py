"""The table of an upload, whatever form it has, each row with the entry that its image is."""

from collections.abc import Iterator

from gateway.errors import Problem
from gateway.settings import GatewaySettings
from gateway.uploads.annotations import read_coco, read_yolo
from gateway.uploads.archive import Archive
from gateway.uploads.bad_rows import BadRows
from gateway.uploads.checking import Check
from gateway.uploads.csv_table import read_csv
from gateway.uploads.encoding_signs import TOLD
from gateway.uploads.image_names import ImageNames, base_of, is_as_documented, plain_name
from gateway.uploads.json_lines import read_json_lines
from gateway.uploads.reading import Reading
from gateway.uploads.rows import Row, Table
from gateway.uploads.table_entry import TableEntry, TableKind, find_table
from gateway.uploads.text_encoding import decode
from tally.messages.message import Message

# The encodings that programs pack names in without saying so, and how each is shown.
_OF_NAMES = {**TOLD, "cp437": "CP437"}
_ROWS_AT_A_TIME = 1_000


def read_table(
    archive: Archive, reading: Reading, settings: GatewaySettings, bad: BadRows
) -> Check[Table]:
    """The rows whose images are there; raises Unprocessable that lists the others, or TooLarge."""
    entry = find_table(archive.entries)
    yield
    table = yield from _read(archive, entry, reading, settings, bad)
    yield
    renamed = yield from _read_names(archive, table.rows, reading.encoding)
    rows, elsewhere = yield from _find_images(archive, entry, table.rows, bad)
    bad.settle(rows_left=len(rows))
    warnings = [*table.warnings, *renamed, *elsewhere]
    if entry.kind in (TableKind.COCO, TableKind.YOLO):
        warnings.insert(0, Message("annotations_asked", entry=entry.name, rows=len(rows)))
    return Table(rows, table.row_count, warnings)


def _read(
    archive: Archive,
    entry: TableEntry,
    reading: Reading,
    settings: GatewaySettings,
    bad: BadRows,
) -> Check[Table]:
    name, kind = entry
    if kind in (TableKind.COCO, TableKind.YOLO):
        read = read_coco if kind is TableKind.COCO else read_yolo
        return (yield from read(archive, name, reading, settings, bad))
    data = archive.read(name, settings.max_csv_bytes)
    yield
    text, told = decode(data, reading.encoding, table=name, names=archive.told_names)
    yield
    read_text = read_csv if kind is TableKind.CSV else read_json_lines
    table = yield from read_text(text, name, settings, bad)
    if told is None:
        return table
    warning = Problem(name, Message("encoding_told", encoding=told)).in_its_place()
    return table._replace(warnings=[warning, *table.warnings])


def _read_names(archive: Archive, rows: list[Row], encoding: str | None) -> Check[list[Message]]:
    """Reads names that say no encoding in the one in which most of the rows' images are there."""
    untold = archive.untold_names
    if not untold:
        return []
    wanted = {base_of(plain_name(row.image)) for row in rows}
    found: dict[str, int] = {}
    for codec in dict.fromkeys([*([encoding] if encoding else []), *_OF_NAMES]):
        yield
        found[codec] = sum(base_of(plain_name(_decode(raw, codec))) in wanted for raw in untold)
    codec = max(found, key=lambda one: found[one])
    if not found[codec] or codec == encoding:
        return []
    archive.rename(codec)
    return [Message("names_told", encoding=_OF_NAMES[codec])]


def _decode(raw_name: bytes, codec: str) -> str:
    return raw_name.decode(codec, "replace").replace("\\", "/")


def _find_images(
    archive: Archive, entry: TableEntry, rows: list[Row], bad: BadRows
) -> Check[tuple[list[Row], list[Message]]]:
    """The rows with their entries, and what is told of names that are written otherwise."""
    names = ImageNames(archive.entries.keys() - {entry.name})
    is_written = entry.kind in (TableKind.CSV, TableKind.JSON_LINES)
    kept: list[Row] = []
    elsewhere: dict[str, str] = {}
    for done, row in enumerate(rows):
        if done % _ROWS_AT_A_TIME == 0:
            yield
        found = names.find(row.image)
        if isinstance(found, Message):
            bad.add(row.number, found)
            continue
        if is_written and not is_as_documented(row.image, found):
            elsewhere[row.image] = found
        kept.append(row._replace(image=found))
    return kept, list(_warn_of(elsewhere))


def _warn_of(elsewhere: dict[str, str]) -> Iterator[Message]:
    for image, entry in list(elsewhere.items())[:1]:
        yield Message("images_told", names=len(elsewhere), image=image, entry=entry)
