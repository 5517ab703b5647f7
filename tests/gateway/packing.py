"""Uploads to test with: good ones, and the parts of bad ones."""

import io
import struct
import zipfile
from collections.abc import Mapping

from PIL import Image

HEADER = "images_path,question,answer\n"
CSV = """images_path,question,answer
apple1.jpg,How many apples are in this image?,A photo of 3 apples
apple2.png,Count the apples in the picture,A photo of 5 apples
"""


def image_bytes(image_format: str = "PNG", size=(64, 48), mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 1).save(buffer, image_format, **options)
    return buffer.getvalue()


def good_files() -> dict[str, bytes]:
    return {
        "main.csv": CSV.encode(),
        "images/apple1.jpg": image_bytes("JPEG"),
        "images/apple2.png": image_bytes("PNG"),
    }


def pack(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def good_zip() -> bytes:
    return pack(good_files())


def with_csv(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return pack({**good_files(), "main.csv": data})


def with_rows(*rows: str) -> bytes:
    """A ZIP whose CSV has these rows, the first of which is row 2."""
    return with_csv(HEADER + "".join(f"{row}\n" for row in rows))


def with_entries(entries: Mapping[str, bytes]) -> bytes:
    return pack({**good_files(), **entries})


def with_raw_name(name: bytes) -> bytes:
    """A ZIP with an entry of exactly this name, which no library would write."""
    placeholder = "Q" * len(name)
    return with_entries({placeholder: b"x"}).replace(placeholder.encode(), name)


def with_mode(mode: int) -> bytes:
    """A ZIP with an entry of this Unix mode, such as that of a symbolic link."""
    buffer = io.BytesIO(good_zip())
    with zipfile.ZipFile(buffer, "a") as archive:
        info = zipfile.ZipInfo("images/other")
        info.create_system = 3
        info.external_attr = mode << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def with_duplicate(name: str) -> bytes:
    twin = name[:-1] + "~"
    data = with_entries({name: b"1", twin: b"2"})
    return data.replace(twin.encode(), name.encode())


def patched_directory(data: bytes, name: str, field_offset: int, layout: str, value: int) -> bytes:
    """Changes a field of an entry's record in the central directory."""
    raw = bytearray(data)
    record = data.rindex(name.encode()) - 46
    struct.pack_into(layout, raw, record + field_offset, value)
    return bytes(raw)


def as_zip64(data: bytes) -> bytes:
    """The same ZIP with a ZIP64 end of its directory."""
    at = data.rindex(b"PK\x05\x06")
    _, _, _, _, entries, size, offset, _ = struct.unpack("<4s4H2LH", data[at:])
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, offset
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)
    return data[:at] + record + locator + end


def with_declared_entries(entries: int) -> bytes:
    """A ZIP whose ZIP64 end says that it has so many entries."""
    data = bytearray(as_zip64(good_zip()))
    struct.pack_into("<2Q", data, data.rindex(b"PK\x06\x06") + 24, entries, entries)
    return bytes(data)


def with_image(data: bytes) -> bytes:
    """A ZIP whose only row names images/x.png, which holds these bytes."""
    row = "x.png,How many apples?,A photo of 3 apples\n"
    return pack({"main.csv": (HEADER + row).encode(), "images/x.png": data})
