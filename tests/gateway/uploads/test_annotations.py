"""Annotated photographs, through the gateway's door."""

import json
import re

import pytest

from tests.annotated_photographs import coco_files, count_of, yolo_files
from tests.gateway.packing import image_bytes, pack

SHEETS = 12
FORMS = {"COCO": coco_files, "YOLO": yolo_files}
HAN = re.compile("[\u4e00-\u9fff]")


async def rows_of(gateway, data: bytes, **fields: str) -> list[dict]:
    answer = await gateway.upload(data, **fields)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    page = (await gateway.client.get(f"/files/{body['file_id']}/rows?limit=1000")).json()
    assert (body["csv_rows"], body["valid_images"]) == (page["csv_rows"], SHEETS)
    [warning] = body["warnings"]
    assert f"{page['csv_rows']} questions were made of its annotations" in warning
    return page["rows"]


@pytest.mark.parametrize("form", FORMS)
async def test_photographs_are_asked_about(form: str, gateway, learner):
    rows = await rows_of(gateway, pack(FORMS[form](SHEETS)))
    assert [row["row"] for row in rows] == list(range(1, SHEETS + 1))
    for row in rows:
        number = int(re.search(r"sheet(\d+)", row["image"])[1])
        assert row["true_count"] == count_of(number)
        assert "people" in row["question"]
    file_id = (await gateway.client.get("/files")).json()[0]["file_id"]
    job_id = (await gateway.train(file_id)).json()["job_id"]
    await gateway.until(job_id, "completed")


@pytest.mark.parametrize("form", FORMS)
async def test_zero_counts_and_the_language_are_choices(form: str, gateway):
    fields = {"zero_counts": "include", "question_language": "zh-TW"}
    rows = await rows_of(gateway, pack(FORMS[form](SHEETS)), **fields)
    assert len(rows) == 2 * SHEETS
    assert all(HAN.search(row["question"]) for row in rows)
    assert [row["true_count"] for row in rows if "dog" in row["question"]] == [0] * SHEETS


async def test_a_count_is_what_was_annotated_whatever_the_kind_is_called(gateway):
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "dozen eggs, 3 or 4"}],
        "annotations": [{"image_id": 1, "category_id": 1}] * 2,
    }
    files = {"a.json": json.dumps(coco).encode(), "images/a.png": image_bytes()}
    file_id = (await gateway.upload(pack(files))).json()["file_id"]
    [row] = (await gateway.client.get(f"/files/{file_id}/rows")).json()["rows"]
    assert (row["true_count"], row["answer"]) == (2, "2")


def coco(**parts: object) -> bytes:
    whole = json.loads(coco_files(1)["annotations/people.json"])
    return json.dumps({**whole, **parts}).encode()


def with_coco(data: bytes) -> bytes:
    return pack({**coco_files(1), "annotations/people.json": data})


YOLO = yolo_files(1)
REFUSED = {
    "no COCO": (with_coco(b'{"a": 1}'), "coco_unreadable", "annotations/people.json"),
    "JSON that is deep": (with_coco(b"[" * 50_000), "coco_unreadable", "annotations/people.json"),
    "an image that is not listed": (
        with_coco(coco(images=[])),
        "coco_no_such_image",
        "annotations/people.json",
    ),
    "a category that is not listed": (
        with_coco(coco(categories=[])),
        "coco_no_such_category",
        "annotations/people.json",
    ),
    "two files of annotations": (
        pack({**coco_files(1), "annotations/more.json": b"{}"}),
        "annotations_twice",
        "annotations/more.json",
    ),
    "a picture that is not there": (
        with_coco(coco(images=[{"id": 0, "file_name": "../sheet1.jpg"}])),
        "image_leads_out",
        "row 1",
    ),
    "nothing to ask about": (
        with_coco(coco(annotations=[])),
        "table_without_rows",
        "annotations/people.json",
    ),
    "no names of classes": (
        pack({**YOLO, "data.yaml": b"names: 3"}), "class_names_missing", "data.yaml"
    ),
    "YAML that runs": (
        pack({**YOLO, "data.yaml": b"names: !!python/object/apply:os.abort []"}),
        "class_names_missing",
        "data.yaml",
    ),
    "a class without a name": (
        pack({**YOLO, "labels/train/sheet0.txt": b"0 1 1 1 1\n7 1 1 1 1"}),
        "label_no_such_class",
        "labels/train/sheet0.txt",
    ),
    "a label that is none": (
        pack({**YOLO, "labels/train/sheet0.txt": b"person 1 1 1 1"}),
        "label_unreadable",
        "labels/train/sheet0.txt",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_wrong_with_annotations_is_said_where_it_is(name: str, gateway):
    data, code, where = REFUSED[name]
    answer = await gateway.upload(data)
    [error, *_] = answer.json()["errors"]
    assert (answer.status_code, error["code"], error["where"]) == (422, code, where)
    assert gateway.staged() == []


@pytest.mark.parametrize("form", FORMS)
async def test_no_more_is_asked_than_a_table_may_have(form: str, start_gateway, settings):
    data = pack(FORMS[form](SHEETS))
    for most, status in ((2 * SHEETS - 1, 413), (2 * SHEETS, 200)):
        limited = settings.model_copy(update={"max_rows": most})
        async with start_gateway(limited) as gateway:
            answer = await gateway.upload(data, zero_counts="include")
            assert answer.status_code == status, answer.text
