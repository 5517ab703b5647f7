"""main.csv: read as it was written. `tests/hostile` has tables that are refused and taken."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ApiError
from gateway.uploads.text_encoding import decode
from tests.gateway.checks import rows_of
from tests.gateway.packing import HEADER, with_rows

GOOD = "apple1.jpg,How many apples?,A photo of 3 apples"


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
    rows = rows_of(decode(buffer.getvalue().encode(), None).text)
    assert [(row.question, row.answer) for row in rows] == pairs
    assert [row.number for row in rows] == list(range(2, len(pairs) + 2))


def status_of(data: bytes) -> int:
    try:
        rows_of(decode(data, None).text)
    except ApiError as error:
        return error.status
    return 200


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data):
    assert status_of(HEADER.encode() + data) in (200, 413, 422)


@given(st.text(max_size=100))
def test_no_text_breaks_the_reader(text):
    assert status_of(text.encode("utf-8", "replace")) in (200, 413, 422)
