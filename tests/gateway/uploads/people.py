"""ZIPs as people make them, each with what must come of it: built here, byte by byte the same."""

import io
import json
import struct
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.gateway.images.heic import heic
from tests.gateway.images.photographs import photograph
from tests.gateway.packing import image_bytes, pack

HEADER = "images_path,question,answer"
CRLF = "\r\n"
APPLES, CATS = "圖片裡有多少個蘋果？", "桌上有幾隻貓？"


class Taken(NamedTuple):
    """Rows and different images; what the warnings say, in their order; codes of rows left out."""

    rows: int = 2
    images: int = 2
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class Refused(NamedTuple):
    code: str
    where: str
    says: str = ""


class Made(NamedTuple):
    """A ZIP, what must come of it, and what is sent beside it."""

    data: bytes
    expected: Taken | Refused
    fields: Mapping[str, str] = {}


def table(*rows: tuple[str, str, str], separator: str = ",", end: str = CRLF) -> str:
    lines = [separator.join(row) for row in (tuple(HEADER.split(",")), *rows)]
    return "".join(f"{line}{end}" for line in lines)


def two_rows(first: str = "apple1.jpg", second: str = "apple2.png", **options: str) -> str:
    rows = (first, APPLES, "三個"), (second, CATS, "A photo of 5 cats")
    return table(*rows, **options)


def pictures(first: str = "images/apple1.jpg", second: str = "images/apple2.png") -> dict:
    return {first: image_bytes("JPEG"), second: image_bytes("PNG")}


def with_table(data: bytes, name: str = "main.csv", **names: str) -> bytes:
    return pack({name: data, **pictures(**names)})


def pack_raw(files: Mapping[bytes, bytes], utf8_flag: bool = False) -> bytes:
    """A ZIP whose names are exactly these bytes, as programs of single systems write them."""
    buffer = io.BytesIO()
    stand_ins = {f"{index:04}".ljust(len(raw), "~"): raw for index, raw in enumerate(files)}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, raw in stand_ins.items():
            archive.writestr(name, files[raw])
    data = buffer.getvalue()
    for name, raw in stand_ins.items():
        data = data.replace(name.encode(), raw)
    return data if not utf8_flag else _flagged(data)


def _flagged(data: bytes) -> bytes:
    raw = bytearray(data)
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = raw.find(magic)
        while at >= 0:
            struct.pack_into("<H", raw, at + offset, 0x0800)
            at = raw.find(magic, at + 1)
    return bytes(raw)


def in_encoding(names: str, of_table: str, encoding: str, folder: str = "") -> bytes:
    """Two pictures called `names` and a number, whose names are packed in an encoding."""
    rows = two_rows(f"{names}1.jpg", f"{names}2.png")
    files = {
        "main.csv": rows.encode(of_table),
        **pictures(f"images/{names}1.jpg", f"images/{names}2.png"),
    }
    return pack_raw({f"{folder}{name}".encode(encoding): data for name, data in files.items()})


def told(encoding: str) -> str:
    return f"main.csv: is read as {encoding};"


def of_names(encoding: str) -> str:
    return f"the names in the ZIP are read as {encoding}"


def windows() -> Iterator[tuple[str, Made]]:
    chinese, simplified = (
        two_rows(),
        table(
            ("apple1.jpg", "图片里有多少个苹果？", "三个"), ("apple2.png", "桌上有几只猫？", "五只")
        ),
    )
    japanese = table(
        ("apple1.jpg", "画像にりんごはいくつありますか", "3"),
        ("apple2.png", "猫は何匹いますか", "5"),
    )
    german = table(
        ("apple1.jpg", "Wie viele Äpfel liegen über dem Teller?", "3"),
        ("apple2.png", "Wie viele Vögel sitzen auf den Bäumen?", "5"),
        separator=";",
    )
    semicolons = "main.csv: cells are separated by ';'"
    tabs = "main.csv: cells are separated by 'Tab'"
    elsewhere = "names of images are not written as in the ZIP"
    unicode_text = two_rows(separator="\t")
    yield "Excel, CSV UTF-8", Made(with_table(b"\xef\xbb\xbf" + chinese.encode()), Taken())
    yield (
        "Excel in Taiwan, CSV",
        Made(with_table(chinese.encode("cp950")), Taken(warnings=(told("Big5"),))),
    )
    yield (
        "Excel in China, CSV",
        Made(with_table(simplified.encode("gbk")), Taken(warnings=(told("GBK"),))),
    )
    yield (
        "Excel in Japan, CSV",
        Made(with_table(japanese.encode("cp932")), Taken(warnings=(told("Shift-JIS"),))),
    )
    yield (
        "Excel in Germany, CSV",
        Made(
            with_table(german.encode("cp1252")), Taken(warnings=(told("Windows-1252"), semicolons))
        ),
    )
    yield (
        "Excel, Unicode Text",
        Made(with_table(unicode_text.encode("utf-16")), Taken(warnings=(told("UTF-16"), tabs))),
    )
    yield (
        "UTF-16 in the other order",
        Made(
            with_table(b"\xfe\xff" + chinese.encode("utf-16-be")), Taken(warnings=(told("UTF-16"),))
        ),
    )
    yield (
        "UTF-16 without a mark",
        Made(with_table(chinese.encode("utf-16-le")), Taken(warnings=(told("UTF-16"),))),
    )
    yield (
        "a line sep=;",
        Made(
            with_table(f"sep=;{CRLF}{two_rows(separator=';')}".encode()),
            Taken(warnings=(semicolons,)),
        ),
    )
    yield "tabs", Made(with_table(unicode_text.encode()), Taken(warnings=(tabs,)))
    yield (
        "a header in capitals and with blanks",
        Made(
            with_table(chinese.replace(HEADER, " Images Path ,QUESTION,Answer").encode()),
            Taken(
                warnings=(
                    "the column 'Images Path' is read as images_path",
                    "the column 'QUESTION' is read as question",
                    "the column 'Answer' is read as answer",
                )
            ),
        ),
    )
    yield (
        "too few characters to tell Big5 from others",
        Made(
            with_table(table(("apple1.jpg", "淚", "3")).encode("cp950")),
            Refused("table_encoding_unknown", "main.csv"),
        ),
    )
    yield (
        "traditional characters in GBK",
        Made(
            with_table(chinese.encode("gbk")),
            Refused("table_encoding_suspected", "main.csv", "GBK"),
        ),
    )
    yield (
        "the same, its encoding named",
        Made(with_table(chinese.encode("gbk")), Taken(), {"encoding": "gbk"}),
    )
    yield (
        "names in Big5, the table too",
        Made(
            in_encoding("蘋果", "cp950", "cp950"), Taken(warnings=(told("Big5"), of_names("Big5")))
        ),
    )
    yield (
        "names in Big5, the table in UTF-8",
        Made(in_encoding("蘋果", "utf-8", "cp950"), Taken(warnings=(of_names("Big5"),))),
    )
    yield (
        "names in GBK, the table in UTF-8",
        Made(in_encoding("苹果", "utf-8", "gbk"), Taken(warnings=(of_names("GBK"),))),
    )
    yield (
        "names in Shift-JIS, with a backslash in a character",
        Made(in_encoding("りんごの表", "utf-8", "cp932"), Taken(warnings=(of_names("Shift-JIS"),))),
    )
    yield (
        "names in CP437",
        Made(in_encoding("café", "utf-8", "cp437"), Taken(warnings=(of_names("CP437"),))),
    )
    yield (
        "a folder in Big5 around all, with a backslash in a character",
        Made(
            in_encoding("蘋果", "cp950", "cp950", folder="許多照片/"),
            Taken(warnings=(told("Big5"), of_names("Big5"))),
        ),
    )
    yield (
        "names in UTF-8, the table in a Big5 that they tell",
        Made(
            pack(
                {
                    "main.csv": table(("淚.png", "淚", "3")).encode("cp950"),
                    "images/淚.png": image_bytes(),
                }
            ),
            Taken(1, 1, (told("Big5"),)),
        ),
    )
    yield (
        "backslashes",
        Made(with_table(chinese.encode()).replace(b"images/apple", b"images\\apple"), Taken()),
    )
    yield (
        "Thumbs.db and desktop.ini",
        Made(
            pack(
                {
                    "main.csv": chinese.encode(),
                    **pictures(),
                    "images/Thumbs.db": b"x",
                    "images/desktop.ini": b"x",
                }
            ),
            Taken(),
        ),
    )
    yield (
        "names in another case",
        Made(
            with_table(chinese.encode(), first="images/Apple1.JPG", second="images/APPLE2.PNG"),
            Taken(warnings=(f"2 {elsewhere}",)),
        ),
    )
    yield (
        "a copy of a picture",
        Made(
            with_table(chinese.encode(), second="images/Apple2 (1).png"),
            Refused("image_missing_near", "row 3", "there is images/Apple2 (1).png"),
        ),
    )
    yield (
        "a copy, said in Chinese",
        Made(
            with_table(chinese.encode(), second="images/apple2 - 複製.png"),
            Refused("image_missing_near", "row 3", "there is images/apple2 - 複製.png"),
        ),
    )
    yield (
        "an ending that is hidden",
        Made(
            with_table(chinese.encode(), name="main.csv.txt"),
            Refused("table_elsewhere", "main.csv", "main.csv.txt"),
        ),
    )
    yield (
        "a workbook",
        Made(
            with_table(b"PK", name="main.xlsx"),
            Refused("table_is_workbook", "main.csv", "main.xlsx"),
        ),
    )
    yield "MAIN.CSV", Made(with_table(chinese.encode(), name="MAIN.CSV"), Taken())
    yield (
        "IMAGES/",
        Made(
            with_table(chinese.encode(), first="IMAGES/apple1.jpg", second="IMAGES/apple2.png"),
            Taken(warnings=(f"2 {elsewhere}",)),
        ),
    )
    yield (
        "pictures beside main.csv",
        Made(
            with_table(chinese.encode(), first="apple1.jpg", second="apple2.png"),
            Taken(warnings=(f"2 {elsewhere}",)),
        ),
    )
    yield (
        "two names but for their case",
        Made(
            pack(
                {
                    "main.csv": table(("Apple1.jpg", APPLES, "三個")).encode(),
                    **pictures("images/apple1.jpg", "images/APPLE1.jpg"),
                }
            ),
            Refused("image_ambiguous", "row 2", "images/APPLE1.jpg or images/apple1.jpg"),
        ),
    )


def macos() -> Iterator[tuple[str, Made]]:
    decomposed = unicodedata.normalize("NFD", "ブドウ")
    rows = two_rows("ブドウ1.jpg", "ブドウ2.png", end="\n")
    files = {
        "main.csv": rows.encode(),
        **pictures(f"images/{decomposed}1.jpg", f"images/{decomposed}2.png"),
    }
    finder = {f"my photos/{name}".encode(): data for name, data in files.items()}
    finder |= {b"__MACOSX/my photos/._main.csv": b"x", b"my photos/.DS_Store": b"x"}
    yield "the Finder: decomposed names, a folder, __MACOSX", Made(pack_raw(finder), Taken())
    yield (
        "decomposed names that say that they are UTF-8",
        Made(
            pack_raw({name.encode(): data for name, data in files.items()}, utf8_flag=True), Taken()
        ),
    )
    yield (
        "two folders around all",
        Made(pack({f"photos/photos/{name}": data for name, data in files.items()}), Taken()),
    )
    yield "lines that end with CR", Made(with_table(two_rows(end="\r").encode()), Taken())
    lines = [
        {"image": "apple1.jpg", "question": APPLES, "answer": 3},
        {"file_name": "images/apple2.png", "question": CATS, "answer": "五隻", "note": "x"},
    ]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    yield "JSON Lines", Made(with_table(text.encode(), name="main.jsonl"), Taken())


def iphone() -> Iterator[tuple[str, Made]]:
    rows = two_rows("IMG_0001.HEIC", "IMG_0002.JPG")
    photos = {"images/IMG_0001.HEIC": heic(), "images/IMG_0002.JPG": photograph("JPEG", 6)}
    yield "HEIC and JPEG", Made(pack({"main.csv": rows.encode(), **photos}), Taken())
    named_jpeg = two_rows("IMG_0001.jpg", "IMG_0002.JPG")
    yield (
        "HEIC where the table says .jpg",
        Made(
            pack({"main.csv": named_jpeg.encode(), **photos}),
            Refused("image_missing_near", "row 2", "there is images/IMG_0001.HEIC"),
        ),
    )
    yield (
        "HEIC named .jpg",
        Made(
            pack(
                {
                    "main.csv": named_jpeg.encode(),
                    "images/IMG_0001.jpg": heic(),
                    "images/IMG_0002.JPG": photograph("JPEG", 3),
                }
            ),
            Taken(),
        ),
    )


def _many(rows: int, missing: int) -> bytes:
    """So many rows, the last of which name pictures that are not there."""
    names = [f"{number}.png" for number in range(rows)]
    text = table(*((name, APPLES, "三個") for name in names))
    there = {f"images/{name}": image_bytes("PNG", (8, 8)) for name in names[: rows - missing]}
    return pack({"main.csv": text.encode(), **there})


def rows_that_are_wrong() -> Iterator[tuple[str, Made]]:
    skip = {"on_bad_rows": "skip"}
    yield (
        "two of 500 pictures are not there",
        Made(_many(500, 2), Taken(500, 498, skipped=("image_missing", "image_missing")), skip),
    )
    yield (
        "60 of 100 pictures are not there",
        Made(_many(100, 60), Taken(100, 40, skipped=("image_missing",) * 60), skip),
    )
    yield (
        "one picture is not there, which nobody allows",
        Made(_many(5, 1), Refused("image_missing", "row 6")),
    )
    rows = (
        ("apple1.jpg", APPLES, "三個"),
        ("apple1.jpg", APPLES, "四個"),
        ("apple2.png", "", "3"),
        ("apple2.png", CATS, "many"),
        ("broken.png", CATS, "3"),
        ("../apple2.png", CATS, "3"),
        ("apple2.png", CATS),
    )
    text = table(*rows).encode()
    every_kind = pack({"main.csv": text, **pictures(), "images/broken.png": image_bytes()[:50]})
    codes = (
        "rows_contradict", "cell_empty", "answer_no_number", "picture_damaged", "image_leads_out",
        "row_ragged",
    )  # fmt: skip
    yield "rows that are wrong in every way", Made(every_kind, Taken(7, 1, skipped=codes), skip)
    yield "no row that is right", Made(_many(3, 3), Refused("image_missing", "row 2"), skip)


EVERY_ONE = dict((*windows(), *macos(), *iphone(), *rows_that_are_wrong()))
