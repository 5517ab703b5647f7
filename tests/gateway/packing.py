"""Uploads to test with: good ones, and the parts of bad ones."""

import io
import zipfile
from collections.abc import Mapping

from PIL import Image

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


def good_zip(**changes: bytes | None) -> bytes:
    return pack(good_files())


def with_csv(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return pack({**good_files(), "main.csv": data})


def with_entries(entries: Mapping[str, bytes]) -> bytes:
    return pack({**good_files(), **entries})


def with_raw_name(name: bytes) -> bytes:
    """A ZIP with an entry of exactly this name, which no library would write."""
    placeholder = "Q" * len(name)
    return with_entries({placeholder: b"x"}).replace(placeholder.encode(), name)
