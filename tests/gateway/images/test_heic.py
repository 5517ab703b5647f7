"""HEIC: upright, and JPEG from here on; decoded in a process that is bounded."""

import io

import pytest
from PIL import Image

from gateway import cpu_time
from gateway.images import heic as reading_heic
from gateway.images.heic import is_heic
from gateway.images.reading import clean_image
from gateway.images.stripped import BadImage
from gateway.settings import GatewaySettings
from tests.gateway.images.heic import heic, that_says
from tests.gateway.images.photographs import SECRET, photograph

SETTINGS = GatewaySettings()


def refusal(data: bytes, **limits: int) -> str:
    with pytest.raises(BadImage) as caught:
        clean_image(data, GatewaySettings(**limits))
    return caught.value.message.code


def test_a_photograph_becomes_an_upright_jpeg_that_tells_nothing():
    data = heic(orientation=6)
    assert SECRET.encode() in data
    clean = clean_image(data, SETTINGS)
    assert clean.suffix == "jpg"
    assert SECRET.encode() not in clean.data
    with Image.open(io.BytesIO(clean.data)) as image:
        assert (image.format, dict(image.getexif())) == ("JPEG", {})
        assert image.size in ((96, 64), (64, 96))
    assert clean_image(data, SETTINGS) == clean
    assert clean_image(clean.data, SETTINGS) == clean


def test_the_colours_are_where_they_were():
    with Image.open(io.BytesIO(clean_image(heic(), SETTINGS).data)) as image:
        corners = [image.getpixel(place) for place in ((10, 10), (80, 10), (10, 50))]
    assert [max(range(3), key=lambda band: pixel[band]) for pixel in corners] == [0, 1, 1]


def test_one_with_transparency_is_taken():
    assert clean_image(heic(mode="RGBA"), SETTINGS).suffix == "jpg"


@pytest.mark.parametrize("length", [12, 60, 300, -40, -1])
def test_a_truncated_one_is_refused(length: int):
    assert refusal(heic()[:length]) == "picture_damaged"


def test_avif_and_videos_are_other_formats():
    assert is_heic(heic())
    assert not is_heic(heic().replace(b"ftypheic", b"ftypavif"))
    assert refusal(heic().replace(b"ftypheic", b"ftypmp42")) == "picture_format"


def test_the_size_is_judged_before_it_is_decoded():
    assert refusal(heic(), max_image_side=90) == "picture_too_long"
    assert refusal(heic(), max_image_pixels=6_000) == "picture_pixels"
    assert refusal(that_says((20_000, 20_000), heic())) == "picture_too_long"


def test_a_size_that_lies_is_found_out():
    large = that_says((90, 90), heic((2_000, 1_500)))
    assert refusal(large, max_image_pixels=100_000) in ("picture_pixels", "picture_damaged")


def test_what_the_process_takes_is_counted_as_the_threads_own():
    before = cpu_time.thread_seconds()
    clean_image(heic(), SETTINGS)
    clean_image(photograph("JPEG"), SETTINGS)
    assert cpu_time.thread_seconds() - before > 0.02


def test_a_process_that_hangs_is_ended(monkeypatch, tmp_path):
    program = tmp_path / "hangs.py"
    program.write_text("import time; time.sleep(3600)")
    monkeypatch.setattr(reading_heic, "_PROGRAM", program)
    monkeypatch.setattr(reading_heic, "_MOST_SECONDS", 0.5)
    before = cpu_time.thread_seconds()
    assert refusal(heic()) == "picture_damaged"
    assert cpu_time.thread_seconds() - before >= 0.5


def test_the_process_is_told_no_secret(monkeypatch, tmp_path):
    program, told = tmp_path / "tells.py", tmp_path / "told"
    tell = f"import os, sys; open({str(told)!r}, 'w').write(str(os.environ)); sys.exit(1)"
    program.write_text(tell)
    monkeypatch.setattr(reading_heic, "_PROGRAM", program)
    monkeypatch.setenv("TALLY_GATEWAY_SERVICES_SECRET", "hidden" * 6)
    assert refusal(heic()) == "picture_damaged"
    assert "hidden" not in told.read_text()
