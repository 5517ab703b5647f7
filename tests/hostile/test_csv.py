"""Tables: refused with the row's number, or taken though they are odd."""

import socket

import pytest

from tests.gateway.packing import CSV, HEADER, good_files, pack, with_csv
from tests.hostile.oracle import Refused, Taken, Target, judge, upload

GOOD = "apple1.jpg,How many apples?,A photo of 3 apples"
CHINESE = "images_path,question,answer\napple1.jpg,圖片中有多少個蘋果?,這張圖片有三個蘋果\n"
SIMPLIFIED = "images_path,question,answer\napple1.jpg,图片中有多少个苹果?,这张图片有三个苹果\n"
LONG_ANSWER = f"apple1.jpg,How many?,{'three and ' * 390}\n".encode()


def row(image: str = "apple1.jpg", question: str = "How many?", answer: str = "3") -> bytes:
    return f"{HEADER}{image},{question},{answer}\n".encode()


TAKEN = {
    "UTF-8 BOM": b"\xef\xbb\xbf" + CSV.encode(),
    "CRLF": CSV.replace("\n", "\r\n").encode(),
    "lone CR": CSV.replace("\n", "\r").encode(),
    "no last newline": CSV.rstrip().encode(),
    "more columns": b"id,images_path,question,answer,note\n"
    b"1,apple1.jpg,How many?,3 apples,x\n2,apple2.png,How many?,5 apples,y\n",
    "columns in another order": b"answer,images_path,question\n"
    b"3,apple1.jpg,How many?\n5,apple2.png,How many?\n",
    "quoted newlines and commas": b'images_path,question,answer\nimages/apple1.jpg,"How many, '
    b'please,\nare there?",3\napple2.png,"Say ""how many""",5\n',
    "formula": b"images_path,question,answer\napple1.jpg,=cmd|'/c calc'!A0,3\napple2.png,q,5\n",
    "script": b"images_path,question,answer\napple1.jpg,<script>alert(1)</script>,3\n"
    b"apple2.png,q,5\n",
    "blank rows": (CSV + "\n\n,,\n \n").encode(),
    "duplicate rows": f"{HEADER}{GOOD}\n{GOOD}\n".encode(),
    "Big5": CHINESE.encode("big5") + f"{GOOD}\n".encode(),
    "GBK": SIMPLIFIED.encode("gbk") + f"{GOOD}\n".encode(),
    "UTF-16": CSV.encode("utf-16"),
    "UTF-16 without a mark": CSV.encode("utf-16-be"),
}
REFUSED = {
    "Big5 that may be something else": (
        "images_path,question,answer\napple1.jpg,淚,3\n".encode("big5"),
        Refused(where="main.csv", says="name its encoding"),
    ),
    "GBK that may be something else": (
        CHINESE.encode("gbk"),
        Refused(where="main.csv", says="it seems to be GBK"),
    ),
    "no encoding at all": (b"\xff\x80\xff" * 99, Refused(where="main.csv", says="is not UTF-8")),
    "much of no encoding": (lambda: b"\xa4\x40" * 4_000_000 + b"\xff", Refused(where="main.csv")),
    "a missing column": (
        b"images_path,question\napple1.jpg,x\n",
        Refused(where="row 1", says="column answer is missing"),
    ),
    "a doubled column": (
        b"images_path,question,answer,answer\na,b,c,d\n",
        Refused(where="row 1", says="answer is there twice"),
    ),
    "header only": (HEADER.encode(), Refused(where="main.csv", says="a header and no rows")),
    "empty": (b"", Refused(where="main.csv", says="is empty")),
    "blank": (b"\n \n\n", Refused(where="main.csv", says="is empty")),
    "a row that is short": (f"{HEADER}{GOOD}\nx,y\n".encode(), Refused(where="row 3", says="2")),
    "a row that is long": (f"{HEADER}{GOOD},z\n".encode(), Refused(where="row 2", says="4 cells")),
    "an unbalanced quote": (f'{HEADER}{GOOD}\na.jpg,"How,3\n'.encode(), Refused(where="row 3")),
    "a NUL byte": (f"{HEADER}{GOOD}\0\n".encode(), Refused(where="row 2", says="NUL")),
    "NUL bytes alone": (bytes(1_000), Refused(where="row 1", says="NUL")),
    "../": (row("../apple1.jpg"), Refused(where="row 2", says="images_path leads out")),
    "..\\": (row("..\\apple1.jpg"), Refused(where="row 2", says="images_path leads out")),
    "file://": (row("file:///etc/passwd"), Refused(where="row 2", says="is an address")),
    "http://": (row("http://127.0.0.1/a.jpg"), Refused(where="row 2", says="is an address")),
    "data:": (row("data:image/png;base64"), Refused(where="row 2", says="is an address")),
    "/etc/passwd": (row("/etc/passwd"), Refused(where="row 2", says="images_path leads out")),
    "C:\\x": (row("C:\\x.png"), Refused(where="row 2", says="images_path leads out")),
    "direction marks": (row("a\u202e.jpg"), Refused(where="row 2", says="images_path holds")),
    "a long image cell": (row("x" * 300), Refused(where="row 2", says="longer than 255")),
    "combining marks": (row("ạ̈" * 1_000), Refused(where="row 2", says="longer than 255")),
    "an empty image cell": (row(""), Refused(where="row 2", says="images_path is empty")),
    "an empty question": (row(question=" "), Refused(where="row 2", says="question is empty")),
    "a long question": (row(question="x" * 4_001), Refused(where="row 2", says="4000 characters")),
    "an answer in words": (row(answer="many"), Refused(where="row 2")),
    "-3": (row(answer="-3"), Refused(where="row 2")),
    "2.5": (row(answer="2.5"), Refused(where="row 2")),
    "1e309": (row(answer="1e309"), Refused(where="row 2")),
    "NaN": (row(answer="NaN"), Refused(where="row 2")),
    "Infinity": (row(answer="Infinity"), Refused(where="row 2")),
    "a number without end": (row(answer="9" * 4_000), Refused(where="row 2")),
    "two counts": (row(answer="3 or 4"), Refused(where="row 2")),
    "over 20": (row(answer="over 20"), Refused(where="row 2")),
    "two answers to one question": (
        f"{HEADER}{GOOD}\n{GOOD.replace('3', '4')}\n".encode(),
        Refused(where="row 3", says="asks what row 2"),
    ),
    "two answers, the image named in two ways": (
        f"{HEADER}{GOOD}\nimages/{GOOD.replace('3', '4')}\n".encode(),
        Refused(where="row 3", says="asks what row 2"),
    ),
    "a million rows": (
        lambda: HEADER.encode() + f"{GOOD}\n".encode() * 600_000,
        Refused(413, "main.csv", "rows"),
    ),
    "a million blank rows": (
        lambda: HEADER.encode() + b"\n" * 10**6,
        Refused(413, "main.csv", "blank"),
    ),
    "30 million blank rows": (
        lambda: HEADER.encode() + b"\n" * 30_000_000,
        Refused(413, "main.csv", "blank ones among them"),
    ),
    "a line of 1 GB": (lambda: HEADER.encode() + b"x" * 2**30, Refused(413, "file", "unpacks")),
    "a long line": (
        lambda: HEADER.encode() + b"x" * 30_000_000,
        Refused(413, "row 2", "a cell is longer"),
    ),
    "a row of 30 million cells": (
        lambda: HEADER.encode() + b"," * 30_000_000,
        Refused(413, "row 2", "commas"),
    ),
    "a header of 30 million columns": (lambda: b"," * 30_000_000, Refused(413, "row 1", "commas")),
    "a cell of 30 million lines": (
        lambda: HEADER.encode() + b'"' + b"\n" * 30_000_000,
        Refused(413, "row 2", "a cell is longer"),
    ),
    "rows of lines and cells": (
        lambda: HEADER.encode() + (b'"\n"' + b"," * 99) * 100_000,
        Refused(413, "row 2", "commas"),
    ),
    "30 million characters of answers": (
        lambda: HEADER.encode() + LONG_ANSWER * 7_000,
        Refused(413, "main.csv", "answers of more than"),
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(target: Target, name: str) -> None:
    judge(target, upload(with_csv(TAKEN[name])), Taken({"csv_rows": 2}))


@pytest.mark.parametrize("name", REFUSED)
def test_refused(target: Target, name: str) -> None:
    data, expected = REFUSED[name]
    judge(target, upload(with_csv(data() if callable(data) else data)), expected)


@pytest.mark.parametrize(("text", "encoding"), [(CHINESE, "big5"), (SIMPLIFIED, "GBK")])
def test_an_encoding_that_is_named_is_taken(target: Target, text: str, encoding: str) -> None:
    send = upload(with_csv(text.encode(encoding)), encoding=encoding)
    judge(target, send, Taken({"csv_rows": 1}))


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "base64", "utf-7", "x" * 200, "\0", "-"])
def test_an_encoding_of_no_list_is_refused(target: Target, encoding: str) -> None:
    judge(target, upload(with_csv(CSV), encoding=encoding), Refused(where="encoding"))


def test_a_repeated_row_is_a_warning(target: Target) -> None:
    text = f"{HEADER}{GOOD}\napple2.png,q,1\n{GOOD}\n"
    judge(target, upload(with_csv(text)), Taken({"warnings": ["row 4: repeats row 2"]}))


def test_a_file_that_an_image_cell_names_is_never_opened(target: Target) -> None:
    """A FIFO would block whoever opens it."""
    files = {**good_files(), "main.csv": row("dev/stdin")}
    judge(target, upload(pack(files)), Refused(where="row 2", says="is not in the ZIP"))


def test_an_address_in_an_image_cell_is_never_called(target: Target) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/a.jpg"
        refusal = Refused(where="row 2", says="is an address")
        judge(target, upload(with_csv(row(address))), refusal)
        with pytest.raises(BlockingIOError):
            listening.accept()
