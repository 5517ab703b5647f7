"""Images: refused with the entry's name, or taken though they are odd."""

import io

import pytest
from PIL import Image

from tests.gateway.images.bombs import FLOODS, png_of_declared_size
from tests.gateway.images.photographs import exif_entry, photograph, with_raw_exif
from tests.gateway.packing import image_bytes, with_image
from tests.hostile.oracle import Refused, Taken, Target, judge, predict, upload


def animated(image_format: str) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    frames[0].save(buffer, image_format, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


TAKEN = {
    "CMYK": image_bytes("JPEG", mode="CMYK"),
    "16-bit": image_bytes("PNG", mode="I;16"),
    "16-bit TIFF": image_bytes("TIFF", mode="I;16"),
    "float TIFF": image_bytes("TIFF", mode="F"),
    "palette": image_bytes("PNG", mode="P"),
    "1-bit": image_bytes("PNG", mode="1"),
    "alpha": image_bytes("PNG", mode="RGBA"),
    "grey": image_bytes("JPEG", mode="L"),
    "JPEG named .png": image_bytes("JPEG"),
    "WebP": image_bytes("WEBP"),
    "BMP": image_bytes("BMP"),
    "TIFF": image_bytes("TIFF"),
    "progressive JPEG": image_bytes("JPEG", progressive=True),
    "animated GIF": animated("GIF"),
    "animated WebP": animated("WEBP"),
    "animated PNG": animated("PNG"),
    "PNG of more data than it needs": png_of_declared_size(64, 48, 100_000_000),
    "small": image_bytes("PNG", size=(8, 8)),
    "EXIF orientation": photograph("JPEG", 6),
    "EXIF of an odd type": with_raw_exif(exif_entry(0x0112, 2, 4, b"six\0")),
    "EXIF of an odd place": with_raw_exif(exif_entry(0x8825, 7, 4, b"abcd")),
    "EXIF of 4 GB": with_raw_exif(exif_entry(0x0112, 12, 2**32 - 1, b"\xff\xff\xff\xff")),
    "EXIF of nonsense": with_raw_exif(b"nonsense"),
}
REFUSED = {
    "truncated": image_bytes("JPEG")[:-200],
    "truncated PNG": image_bytes("PNG")[:-30],
    "truncated WebP": image_bytes("WEBP")[:-30],
    "truncated GIF": image_bytes("GIF")[:-30],
    "truncated TIFF": image_bytes("TIFF")[:-3000],
    "a bomb": png_of_declared_size(60_000, 60_000),
    "a large one": png_of_declared_size(15_000, 15_000),
    "1×1": image_bytes("PNG", size=(1, 1)),
    "1×10000": image_bytes("PNG", size=(1, 10_000)),
    "5×5000": image_bytes("PNG", size=(5, 5_000)),
    "SVG named .png": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "HTML named .png": b"<html><body>not found</body></html>",
    "PSD": b"8BPS\0\x01" + b"\0" * 60,
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "PPM": image_bytes("PPM"),
    "ICO": b"\0\0\1\0\1\0" + bytes(40),
    "empty": b"",
    "a signature alone": b"\x89PNG\r\n\x1a\n",
    "JPEG of markers": b"\xff\xd8\xff" + b"\xff\xe0\0\2" * 250_000,
    **FLOODS,
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(target: Target, name: str) -> None:
    answer = judge(target, upload(with_image(TAKEN[name])), Taken({"valid_images": 1})).json()
    shown = target.client.get(f"/files/{answer['file_id']}/images/2?max_side=32")
    assert Image.open(io.BytesIO(shown.content)).mode == "RGB"
    assert target.client.get(f"/files/{answer['file_id']}/images/2").status_code == 200
    judge(target, predict(TAKEN[name]), Taken({"question": "How many?"}))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(target: Target, name: str) -> None:
    judge(target, upload(with_image(REFUSED[name])), Refused(where="images/x.png"))
    judge(target, predict(REFUSED[name]), Refused(where="image"))


@pytest.mark.parametrize("name", ["animated GIF", "animated WebP", "animated PNG"])
def test_of_an_animation_the_first_frame_is_kept(target: Target, name: str) -> None:
    answer = judge(target, upload(with_image(TAKEN[name])), Taken()).json()
    kept = target.client.get(f"/files/{answer['file_id']}/images/2").content
    image = Image.open(io.BytesIO(kept))
    assert getattr(image, "n_frames", 1) == 1
    red, green, blue = image.convert("RGB").getpixel((9, 9))
    assert red > 200
    assert max(green, blue) < 60


def test_a_question_to_no_model_is_refused(target: Target) -> None:
    judge(target, predict(image_bytes("JPEG"), model=""), Refused(where="model"))
