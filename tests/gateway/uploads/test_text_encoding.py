"""Encodings are told, or asked for; never told wrongly."""

from unittest.mock import Mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import Unprocessable
from gateway.uploads import encoding_signs
from gateway.uploads.encoding_signs import TOLD
from gateway.uploads.text_encoding import decode

HEADER = "images_path,question,answer\n"
# By the codec, what people ask in languages that are written in it.
ASKED = {
    "cp950": """
圖片裡有多少個蘋果 桌上有幾隻貓 請數一數照片中的汽車 畫面中共有幾位行人 盤子裡有幾顆葡萄
停車場停了幾輛車 硬幣 鳥 椅子 藥丸數量 細胞 貨架缺了幾格 工廠零件 許功蓋 淚 育 架上的罐頭
""",
    "gbk": """
图片里有多少个苹果 桌上有几只猫 请数一数照片中的汽车 画面中共有几位行人 盘子里有几颗葡萄
停车场停了几辆车 硬币 鸟 椅子 细胞 工厂零件
圖片裡有多少個蘋果 盤子裡有幾顆葡萄 藥丸數量
""",
    "cp932": """
画像にりんごはいくつありますか 写真に猫は何匹いますか 車は何台ですか 硬貨の数 鳥は何羽
テーブルの上のコップ 人は何人いますか 椅子 錠剤の数 ｶﾀｶﾅ
""",
    "euc_kr": """
사진에 사과가 몇 개 있습니까 고양이는 몇 마리입니까 자동차 수 동전은
""",
    "cp1252": """
Combien d'étoiles à l'écran ¿Cuántas manzanas hay Äpfel Vögel über pães há æbler på déjà naïve
""",
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, str]:
    """A codec, and a table of some rows that are written in it."""
    codec = draw(st.sampled_from(list(ASKED)))
    questions = st.lists(st.sampled_from(ASKED[codec].split()), min_size=1, max_size=3)
    answers = st.sampled_from(["3", "A photo of 3 apples"])
    rows = draw(st.lists(st.tuples(questions, answers), min_size=1, max_size=6))
    lines = [f"{n}.jpg,{' '.join(asked)}?,{answer}\n" for n, (asked, answer) in enumerate(rows)]
    return codec, HEADER + "".join(lines)


@example(("gbk", f"{HEADER}0.jpg,鸟 鸟?,3\n"))
@given(tables())
@settings(max_examples=400, deadline=None)
def test_no_text_is_told_wrongly(written: tuple[str, str]):
    codec, text = written
    try:
        decoded = decode(text.encode(codec), None)
    except Unprocessable:
        return
    assert decoded.text == text


def test_texts_of_some_rows_are_told():
    for codec, asked in ASKED.items():
        questions = asked.split()[: 11 if codec == "gbk" else None]
        text = HEADER + "".join(f"{n}.jpg,{asked}?,3\n" for n, asked in enumerate(questions))
        assert decode(text.encode(codec), None) == (text, TOLD[codec])


def test_names_of_entries_tell_an_encoding():
    """One character is told by nothing else."""
    text = f"{HEADER}淚.jpg,淚,3\n"
    for codec in ("cp950", "gbk"):
        told = decode(text.encode(codec), None, names=["images/淚.jpg", "images/a.jpg"])
        assert told == (text, TOLD[codec])


@given(st.text(min_size=1).map(lambda text: HEADER + text), st.sampled_from(["le", "be"]))
def test_utf16_is_told_with_its_mark_or_without(text: str, order: str):
    text = "".join(mark for mark in text if not "\ud800" <= mark <= "\udfff")
    data = text.encode(f"utf-16-{order}")
    mark = "\ufeff".encode(f"utf-16-{order}")
    assert decode(mark + data, None) == decode(data, None) == (text, "UTF-16")


def test_a_large_table_is_told_by_some_of_its_lines(monkeypatch):
    """Whatever else it holds, no more than a sample is judged."""
    judged = Mock(wraps=encoding_signs.from_bytes)
    monkeypatch.setattr(encoding_signs, "from_bytes", judged)
    for end in ("\n", "\r", "\r\n"):
        plain, chinese = f"a.jpg,How many?,3{end}", f"b.jpg,圖片裡有多少個蘋果？,3{end}"
        text = HEADER + plain * 100_000 + chinese * 10_000
        assert decode(text.encode("cp950"), None) == (text, "Big5")
        [sample] = judged.call_args.args
        assert len(sample) <= 32 * 1024
        assert set(sample.splitlines()) == {chinese.strip().encode("cp950")}


def test_a_table_of_one_endless_line_is_not_told():
    with pytest.raises(Unprocessable, match="name its encoding"):
        decode("蘋".encode("cp950") * 1_000_000 + b"\xff", None)
