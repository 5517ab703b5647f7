"""Images as they are staged: upright, and nothing told with them."""

import io

import pytest
from PIL import Image

from learner_service.data.images import decode, to_png
from learner_service.dataset_settings import DatasetSettings
from learner_service.errors import InvalidDataset
from tests.gateway.images.photographs import SECRET, exif_entry, photograph, with_raw_exif

LIMITS = DatasetSettings()


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_photograph_is_staged_upright_and_silent(image_format: str):
    staged = to_png(decode(photograph(image_format, 6), "x", LIMITS))
    image = Image.open(io.BytesIO(staged))
    assert image.size == (40, 60)
    assert image.info == {}
    assert not image.getexif()
    assert SECRET.encode() not in staged


# Pillow warns of it, here as in a worker's log.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", range(14))
@pytest.mark.parametrize("tag", [0x0112, 0x011A, 0x8769, 0x8825])
def test_exif_of_an_odd_type_turns_nothing(tag: int, kind: int):
    for count in (0, 1, 4, 2**32 - 1):
        data = with_raw_exif(exif_entry(tag, kind, count, b"\xff\xff\xff\xff"))
        assert decode(data, "x", LIMITS).size == (60, 40)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", photograph("PNG")[:200], b"GIF89a" * 9])
def test_what_is_no_image_is_named(data: bytes):
    with pytest.raises(InvalidDataset, match=r"^images/x\.png: "):
        decode(data, "images/x.png", LIMITS)
