"""main.csv: what is taken, what is refused, and by which row."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ApiError
from gateway.uploads.text_encoding import decode
from tests.gateway.checks import rows_of
from tests.gateway.packing import CSV, HEADER, with_csv, with_rows

GOOD = "apple1.jpg,How many apples?,A photo of 3 apples"
CHINESE = "images_path,question,answer\napple1.jpg,圖片中有多少個蘋果?,這張圖片有三個蘋果\n"
SIMPLIFIED = "images_path,question,answer\napple1.jpg,图片中有多少个苹果?,这张图片有三个苹果\n"

TAKEN = {
    "bom": b"\xef\xbb\xbf" + CSV.encode(),
    "crlf": CSV.replace("\n", "\r\n").encode(),
    "cr": CSV.replace("\n", "\r").encode(),
    "no last newline": CSV.rstrip().encode(),
    "more columns": b"id,images_path,question,answer,note\n"
    b"1,apple1.jpg,How many?,3 apples,x\n2,apple2.png,How many?,5 apples,y\n",
    "quoted": b'images_path,question,answer\nimages/apple1.jpg,"How many, please,\nare there?",3\n'
    b'apple2.png,"Say ""how many""",5\n',
    "formula and markup": b"images_path,question,answer\napple1.jpg,=cmd|'/c calc'!A0,3\n"
    b"apple2.png,<script>alert(1)</script>,5\n",
}


@pytest.mark.parametrize("name", TAKEN)
async def test_a_good_csv_is_taken(gateway, name):
    response = await gateway.upload(with_csv(TAKEN[name]))
    assert response.status_code == 200, response.text
    assert response.json()["csv_rows"] == 2


REFUSED = {
    "empty": (b"", "main.csv"),
    "header only": (HEADER.encode(), "header"),
    "missing column": (b"images_path,question\napple1.jpg,x\n", "column answer is missing"),
    "doubled column": (b"images_path,question,answer,answer\na,b,c,d\n", "answer is there twice"),
    "ragged short": (f"{HEADER}{GOOD}\napple1.jpg,x\n".encode(), "row 3: has 2 cells"),
    "ragged long": (f"{HEADER}{GOOD},more\n".encode(), "row 2: has 4 cells"),
    "open quote": (f'{HEADER}{GOOD}\napple1.jpg,"How many?,3\n'.encode(), "row 3: a quote"),
    "nul": (f"{HEADER}{GOOD}\0\n".encode(), "row 2: holds a NUL byte"),
    "nul, cr": (f"{HEADER}{GOOD}\r{GOOD}\0\r".encode(), "row 3: holds a NUL byte"),
    "nul, quoted": (f'{HEADER}apple1.jpg,"How\nmany?",3\n{GOOD}\0'.encode(), "row 3: holds a NUL"),
    "utf-16": (CSV.encode("utf-16"), "UTF-16"),
    "big5": (CHINESE.encode("big5"), "it seems to be Big5"),
    "gbk": (SIMPLIFIED.encode("gbk"), "it seems to be GBK"),
    "empty cell": (f"{HEADER}apple1.jpg,,3\n".encode(), "row 2: question is empty"),
    "parent": (f"{HEADER}../apple1.jpg,x,3\n".encode(), "row 2: images_path leads out"),
    "file url": (f"{HEADER}file:///etc/passwd,x,3\n".encode(), "row 2: images_path is an address"),
    "url": (f"{HEADER}http://host/a.jpg,x,3\n".encode(), "row 2: images_path is an address"),
    "absolute": (f"{HEADER}/etc/passwd,x,3\n".encode(), "row 2: images_path leads out"),
    "control characters": (f"{HEADER}a\u202e.jpg,x,3\n".encode(), "row 2: images_path holds"),
    "two answers, two names": (
        f"{HEADER}{GOOD}\nimages/{GOOD.replace('3', '4')}\n".encode(),
        "row 3: asks what row 2",
    ),
    "two answers": (f"{HEADER}{GOOD}\n{GOOD.replace('3', '4')}\n".encode(), "row 3: asks what row"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_bad_csv_is_refused_with_its_row(gateway, name):
    data, expected = REFUSED[name]
    response = await gateway.upload(with_csv(data))
    assert response.status_code == 422, response.text
    assert expected in response.json()["detail"]
    assert response.json()["errors"]
    assert gateway.staged() == []


@pytest.mark.parametrize("answer", ["-3", "2.5", "1e309", "NaN", "many", "3 or 4"])
async def test_an_answer_without_a_count_is_refused(gateway, answer):
    body = (await gateway.upload(with_rows(GOOD, f"apple2.png,How many?,{answer}"))).json()
    assert [error["where"] for error in body["errors"]] == ["row 3"]


async def test_a_repeated_row_is_a_warning(gateway):
    body = (await gateway.upload(with_rows(GOOD, "apple2.png,q,1", GOOD))).json()
    assert (body["csv_rows"], body["warnings"]) == (3, ["row 4: repeats row 2"])


@pytest.mark.parametrize(("text", "encoding"), [(CHINESE, "big5"), (SIMPLIFIED, "GBK")])
async def test_a_named_encoding_is_taken(gateway, text, encoding):
    response = await gateway.upload(with_csv(text.encode(encoding)), encoding=encoding)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "base64", "utf-7", "x" * 200])
async def test_an_unknown_encoding_is_refused(gateway, encoding):
    response = await gateway.upload(with_csv(CSV), encoding=encoding)
    assert response.status_code == 422
    assert response.json()["detail"].startswith("encoding")


async def test_too_many_rows_are_too_large(start_gateway, settings):
    async with start_gateway(settings.model_copy(update={"max_rows": 50})) as gateway:
        assert (await gateway.upload(with_rows(*[GOOD] * 51))).status_code == 413
        assert (await gateway.upload(with_rows(*[GOOD] * 50))).status_code == 200


cells = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=30)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8), st.sampled_from(["\r\n", "\n"]))
def test_whatever_a_csv_writer_writes_is_read_back(pairs, newline):
    pairs = [(q.strip(), a.strip()) for q, a in pairs if q.strip() and a.strip()]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=newline)
    writer.writerow(["images_path", "question", "answer"])
    writer.writerows([("a.png", question, answer) for question, answer in pairs])
    if not pairs:
        return
    rows = rows_of(decode(buffer.getvalue().encode(), None))
    assert [(row.question, row.answer) for row in rows] == pairs
    assert [row.number for row in rows] == list(range(2, len(pairs) + 2))


def status_of(data: bytes) -> int:
    try:
        rows_of(decode(data, None))
    except ApiError as error:
        return error.status
    return 200


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data):
    assert status_of(HEADER.encode() + data) in (200, 413, 422)


@given(st.text(max_size=100))
def test_no_text_breaks_the_reader(text):
    assert status_of(text.encode("utf-8", "replace")) in (200, 413, 422)
