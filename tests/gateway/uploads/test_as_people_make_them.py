"""What comes of ZIPs as Windows, macOS, Excel and iPhones make them, through the gateway."""

import io
import re

import pytest
from PIL import Image

from tests.gateway.images.photographs import SECRET
from tests.gateway.uploads.people import EVERY_ONE, Made, Refused, Taken

HAN = re.compile("[\u4e00-\u9fff]")


def test_there_are_forty_of_them():
    assert len(EVERY_ONE) >= 40
    assert len({made.data for made in EVERY_ONE.values()}) >= 40


@pytest.mark.parametrize("name", EVERY_ONE)
async def test_each_is_taken_with_its_warnings_or_refused_with_its_code(name: str, gateway):
    made = EVERY_ONE[name]
    answer = await gateway.upload(made.data, **made.fields)
    if isinstance(made.expected, Taken):
        await check_taken(gateway, answer, made.expected)
    else:
        await check_refused(gateway, answer, made)
    assert gateway.staged() == []


async def check_taken(gateway, answer, expected: Taken) -> None:
    body = answer.json()
    assert answer.status_code == 200, body
    assert (body["csv_rows"], body["valid_images"]) == (expected.rows, expected.images)
    assert len(body["warnings"]) == len(expected.warnings), body["warnings"]
    for said, warning in zip(body["warnings"], expected.warnings, strict=True):
        assert warning in said
    assert tuple(one["code"] for one in body["skipped"]) == expected.skipped
    assert body["skipped_rows"] == len(expected.skipped)
    [file] = (await gateway.client.get("/files")).json()
    assert {**file, "skipped": body["skipped"]} == body
    page = (await gateway.client.get(f"/files/{file['file_id']}/rows?limit=1000")).json()
    assert page["csv_rows"] == len(page["rows"]) == expected.rows - len(expected.skipped)
    assert all(row["true_count"] for row in page["rows"])


async def check_refused(gateway, answer, made: Made) -> None:
    assert isinstance(made.expected, Refused)
    body = answer.json()
    assert answer.status_code == 422, body
    [first, *_] = body["errors"]
    assert (first["code"], first["where"]) == made.expected[:2]
    assert made.expected.says in first["message"]
    assert (await gateway.client.get("/files")).json() == []


async def test_questions_come_out_as_they_were_written(gateway):
    """Whatever the encoding is: nothing of a text is told wrongly."""
    for name in ("Excel in Taiwan, CSV", "Excel, Unicode Text", "names in Big5, the table too"):
        file_id = (await gateway.upload(EVERY_ONE[name].data)).json()["file_id"]
        rows = (await gateway.client.get(f"/files/{file_id}/rows")).json()["rows"]
        assert [row["question"] for row in rows] == ["圖片裡有多少個蘋果？", "桌上有幾隻貓？"]
        assert [row["true_count"] for row in rows] == [3, 5]
    assert rows[0]["image"] == "images/蘋果1.jpg"


async def test_what_phones_tell_is_not_kept(gateway):
    """No place, no time, no name; a picture stands upright."""
    file_id = (await gateway.upload(EVERY_ONE["HEIC and JPEG"].data)).json()["file_id"]
    for row, size in ((2, (96, 64)), (3, (40, 60))):
        picture = (await gateway.client.get(f"/files/{file_id}/images/{row}")).content
        assert SECRET.encode() not in picture
        with Image.open(io.BytesIO(picture)) as image:
            assert (image.format, image.size, dict(image.getexif())) == ("JPEG", size, {})


async def test_rows_that_are_left_out_are_said_in_the_readers_language(gateway):
    made = EVERY_ONE["rows that are wrong in every way"]
    gateway.client.headers["Accept-Language"] = "zh-TW"
    skipped = (await gateway.upload(made.data, **made.fields)).json()["skipped"]
    assert [one["row"] for one in skipped] == [3, 4, 5, 6, 7, 8]
    assert all(HAN.search(one["message"]) for one in skipped)
    assert skipped[3]["message"].startswith("images/broken.png：")


@pytest.mark.parametrize("field", ["on_bad_rows", "question_language", "zero_counts"])
async def test_a_choice_that_is_unknown_is_refused_with_those_there_are(field: str, gateway):
    made = EVERY_ONE["Excel, CSV UTF-8"]
    [error] = (await gateway.upload(made.data, **{field: "perhaps"})).json()["errors"]
    assert (error["where"], error["code"]) == (field, "choice_unknown")
