"""The rows of an upload, and its pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.gateway.packing import HEADER, good_zip, image_bytes, pack, with_image


async def uploaded(gateway, data: bytes) -> str:
    return (await gateway.upload(data)).json()["file_id"]


async def thumbnail_of(gateway, data: bytes, max_side: int = 32) -> Image.Image:
    file_id = await uploaded(gateway, with_image(data))
    url = f"/files/{file_id}/images/2?max_side={max_side}"
    response = await gateway.client.get(url)
    assert response.headers["content-type"] == "image/jpeg"
    return Image.open(io.BytesIO(response.content))


async def test_rows_come_with_names_and_counts_page_by_page(gateway):
    file_id = await uploaded(gateway, good_zip())
    page = (await gateway.client.get(f"/files/{file_id}/rows?offset=1&limit=1")).json()
    assert page == {
        "file_id": file_id,
        "csv_rows": 2,
        "offset": 1,
        "rows": [
            {
                "row": 3,
                "image": "images/apple2.png",
                "question": "Count the apples in the picture",
                "answer": "A photo of 5 apples",
                "true_count": 5,
            }
        ],
    }
    assert (await gateway.client.get(f"/files/{file_id}/rows?offset=9")).json()["rows"] == []


async def test_a_picture_is_the_one_that_was_uploaded(gateway):
    original = image_bytes("WEBP", (70, 30))
    file_id = await uploaded(gateway, with_image(original))
    response = await gateway.client.get(f"/files/{file_id}/images/2")
    assert response.content == original
    assert response.headers["content-type"] == "image/webp"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]


async def test_equal_pictures_under_two_names_are_both_found(gateway):
    rows = "a.png,How many?,2 apples\nb.png,How many?,3 apples\n"
    picture = image_bytes()
    names = {"images/a.png": picture, "images/b.png": picture}
    file_id = await uploaded(gateway, pack({"main.csv": (HEADER + rows).encode(), **names}))
    listed = (await gateway.client.get(f"/files/{file_id}/rows")).json()["rows"]
    assert [row["image"] for row in listed] == ["images/a.png", "images/b.png"]
    for row in (2, 3):
        assert (await gateway.client.get(f"/files/{file_id}/images/{row}")).content == picture


async def test_a_thumbnail_keeps_its_sides_in_proportion_and_grows_nothing(gateway):
    assert (await thumbnail_of(gateway, image_bytes("TIFF", (200, 100)))).size == (32, 16)
    assert (await thumbnail_of(gateway, image_bytes("PNG", (20, 10)))).size == (20, 10)


async def test_a_thumbnail_stands_upright(gateway):
    exif = Image.Exif()
    exif[0x0112] = 6
    small = await thumbnail_of(gateway, image_bytes("JPEG", (80, 40), exif=exif))
    assert small.size == (16, 32)
    assert 0x0112 not in small.getexif()


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "RGBA", "LA", "I;16"])
async def test_a_thumbnail_of_every_mode_shows_its_white(gateway, mode):
    if mode == "I;16":
        image = Image.fromarray(np.full((30, 30), 65535, dtype=np.uint16))
    else:
        image = Image.new("RGB", (30, 30), "white").convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF")
    small = await thumbnail_of(gateway, buffer.getvalue())
    assert small.mode == "RGB"
    assert min(small.getpixel((5, 5))) > 250


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("{}/images/1", 404),
        ("{}/images/4", 404),
        ("{}/images/x", 422),
        ("{}/images/2?max_side=9", 422),
        ("{}/images/2?max_side=99999", 422),
        ("{}/rows?limit=0", 422),
        ("{}/rows?offset=-1", 422),
        ("{}/images/99999999999999999999", 422),
        ("00000000-0000-0000-0000-000000000000/rows", 404),
        ("x%00y/images/2", 404),
        ("..%2f..%2fx/rows", 404),
    ],
)
async def test_what_is_not_there_is_said(gateway, path, status):
    file_id = await uploaded(gateway, good_zip())
    response = await gateway.client.get("/files/" + path.format(file_id))
    assert response.status_code == status
    assert response.json()["detail"]


async def test_a_rows_file_without_an_upload_is_swept_at_start(start_gateway, settings):
    async with start_gateway(settings) as gateway:
        kept = await uploaded(gateway, good_zip())
        (settings.data_dir / "rows" / "left-over.jsonl").write_text("{}")
    async with start_gateway(settings) as gateway:
        assert [path.stem for path in (settings.data_dir / "rows").iterdir()] == [kept]
        assert (await gateway.client.get(f"/files/{kept}/images/2")).status_code == 200
