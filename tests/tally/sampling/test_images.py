"""Images are taken as they are, or refused."""

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch

from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.families.vision_tower.patches import Patches
from tally.sampling.errors import BadImage
from tally.sampling.images import read_image
from tests.rollout_service.support import IMAGE_TOKENS, png


def patches_of(data: bytes, folder: Path, processor: Any) -> Patches:
    path = folder / "image"
    path.write_bytes(data)
    image = read_image(path, QWEN2_5_VL.grid(None, processor))
    return QWEN2_5_VL.patches([image], processor)


def _declared(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims these sides."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_patches_are_those_of_the_processor(reference, tmp_path):
    patches = patches_of(png(), tmp_path, reference.processor)
    expected = reference.inputs([1], png())
    assert torch.equal(patches.pixel_values, expected["pixel_values"])
    assert patches.grid_thw.tolist() == [[1, 8, 8]]
    assert patches.grid_thw.prod() // 4 == IMAGE_TOKENS


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "LA"])
def test_other_modes_become_rgb(reference, tmp_path, mode):
    assert patches_of(png(mode=mode), tmp_path, reference.processor).pixel_values.shape[0] == 64


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(size=(100, 112)), "100x112 px; both sides must be multiples of 28"),
        (png(size=(28, 28)), "28x28 px would be resized"),
        (png(size=(28, 28 * 201)), "would be resized"),
        (_declared(28 * 10_000, 28 * 10_000), "not a PNG|would be resized"),
        (_declared(112, 112), "not a PNG"),
        (_declared(0, 0), "not a PNG"),
        (png()[:-200], "not a PNG"),
        (png()[:60], "not a PNG"),
        (b"", "not a PNG"),
        (b"<svg/>", "not a PNG"),
        (b"\xff\xd8\xff\xe0" + b"0" * 500, "not a PNG"),
        (png(mode="I;16"), "8 bits per channel"),
    ],
)
def test_what_is_refused(reference, tmp_path, data, message):
    with pytest.raises(BadImage, match=message):
        patches_of(data, tmp_path, reference.processor)
