"""What is kept of a picture is the picture, upright, and nothing that was told with it."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps, ImageStat

from gateway.images.exif import read_orientation
from gateway.images.reading import clean_image, show_image, thumbnail
from gateway.images.stripped import BadImage
from gateway.settings import GatewaySettings
from tests.gateway.images.bombs import FLOODS
from tests.gateway.images.photographs import (
    SECRET,
    exif_entry,
    photograph,
    scene,
    with_raw_exif,
)
from tests.gateway.packing import with_image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
TURNED = ("JPEG", "PNG", "WEBP", "TIFF")
SETTINGS = GatewaySettings()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def is_silent(data: bytes) -> bool:
    """Whether nothing is told with the picture."""
    image = opened(data)
    told = {"exif", "xmp", "XML:com.adobe.xmp", "icc_profile", "comment", "Author", "Comment"}
    return not image.getexif() and not told & set(image.info) and SECRET.encode() not in data


def difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_photograph_is_kept_without_what_is_told(image_format):
    data = photograph(image_format)
    clean = clean_image(data, SETTINGS)
    assert is_silent(clean.data)
    assert difference(opened(clean.data), opened(data)) == 0
    assert clean_image(clean.data, SETTINGS) == clean == show_image(data)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", TURNED)
def test_a_turned_photograph_is_kept_upright(image_format, orientation):
    data = photograph(image_format, orientation)
    upright = opened(data)
    if image_format != "TIFF":  # which Pillow turns itself
        upright = ImageOps.exif_transpose(upright)
    clean = clean_image(data, SETTINGS)
    assert is_silent(clean.data)
    assert difference(opened(clean.data), upright) < 2
    assert difference(opened(thumbnail(data, 60)), upright) < 6
    assert is_silent(thumbnail(data, 60))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_turned_photograph_of_other_colours_is_kept_upright(mode):
    clean = clean_image(photograph("JPEG", 6, mode), SETTINGS)
    assert opened(clean.data).mode == mode
    assert difference(opened(clean.data), scene().convert(mode).transpose(Image.ROTATE_270)) < 5


@pytest.mark.parametrize(
    "exif",
    [
        *(exif_entry(0x0112, kind, count, b"\6\0\0\0") for kind in range(14) for count in (0, 2)),
        exif_entry(0x0112, 2, 4, b"six\0"),
        exif_entry(0x0112, 3, 1, b"\x2a\0\0\0"),
        exif_entry(0x0112, 12, 2**32 - 1, b"\xff\xff\xff\xff"),
        exif_entry(0x010F, 99, 1, b"abcd"),
        exif_entry(0x8769, 7, 4, b"abcd"),
        exif_entry(0x8825, 5, 3, b"\0\0\0\0"),
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"",
        b"nonsense" * 9,
    ],
)
async def test_odd_exif_is_passed_over(gateway, exif):
    data = with_raw_exif(exif)
    answer = await gateway.upload(with_image(data))
    assert answer.status_code == 200, answer.text
    picture = f"/files/{answer.json()['file_id']}/images/2"
    assert is_silent((await gateway.client.get(picture)).content)
    assert (await gateway.client.get(f"{picture}?max_side=32")).status_code == 200
    files = {"image": ("x.jpg", data, "image/jpeg")}
    asked = await gateway.client.post("/predict", files=files, data={"question": "How many?"})
    assert asked.status_code == 200, asked.text


async def test_nothing_of_an_upload_tells_where_it_was_taken(gateway, learner):
    data = photograph("JPEG", 6)
    file_id = (await gateway.upload(with_image(data))).json()["file_id"]
    [dataset] = (gateway.settings.data_dir / "datasets").iterdir()
    with zipfile.ZipFile(dataset) as archive:
        kept = [archive.read(name) for name in archive.namelist() if name.startswith("images/")]
    served = (await gateway.client.get(f"/files/{file_id}/images/2")).content
    small = (await gateway.client.get(f"/files/{file_id}/images/2?max_side=32")).content
    files = {"image": ("x.jpg", data, "image/jpeg")}
    await gateway.client.post("/predict", files=files, data={"question": "How many?"})
    asked = learner.questions[0].image
    assert [is_silent(one) for one in (*kept, served, small, asked)] == [True] * 4
    assert opened(served).size == opened(asked).size == (40, 60)


def test_what_grows_beyond_the_bound_when_it_is_written_anew_is_refused():
    with pytest.raises(BadImage, match="larger than 100 bytes as png"):
        clean_image(photograph("TIFF"), GatewaySettings(max_image_bytes=100))


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_parts_is_refused_before_it_is_decoded(name, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("was handed to Pillow"))
    with pytest.raises(BadImage, match=r"more than|in runs"):
        clean_image(FLOODS[name], SETTINGS)


@given(st.data(), st.sampled_from(FORMATS))
def test_no_change_of_bytes_breaks_the_reading(data, image_format):
    picture = bytearray(photograph(image_format, 6))
    for place in data.draw(st.lists(st.integers(0, len(picture) - 1), max_size=8)):
        picture[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(picture)))
    for bytes_given in (bytes(picture), bytes(picture[:cut])):
        try:
            clean = clean_image(bytes_given, SETTINGS)
        except BadImage:
            continue
        assert clean_image(clean.data, SETTINGS) == clean
        thumbnail(clean.data, 32)


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_gif_whose_end_is_missing_is_closed_once(missing: int):
    picture = photograph("GIF", 6)
    clean = clean_image(picture[:-missing], SETTINGS)
    assert clean_image(clean.data, SETTINGS) == clean
    assert clean.data.endswith(b"\0;")
    assert opened(clean.data).convert("RGB").tobytes() == opened(picture).convert("RGB").tobytes()


@given(st.binary(max_size=200))
def test_no_exif_breaks_the_reading_of_its_orientation(exif):
    for start in (b"", b"II*\0\x08\0\0\0", b"Exif\0\0MM\0*\0\0\0\x08"):
        assert 1 <= read_orientation(start + exif) <= 8
