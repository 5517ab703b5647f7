"""Properties of the parser over generated texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.parse_cost import FRAGMENTS
from reward_service.documented_form import is_documented_form
from reward_service.measure_words import MEASURE_WORDS
from reward_service.mention import MAX_COUNT
from reward_service.parse import parse_count
from tests.reward_service import numerals

ALPHABET = st.sampled_from(
    [
        *"0123456789 .,-–~/:'\n%()三十百千萬零兩到個第一點半多幾張",
        *(
            "a photo of ",
            "one ",
            "twenty",
            " hundred ",
            "and ",
            "half",
            "a ",
            "dozen",
            "no ",
            "to ",
            "-dozen",
            "½",
        ),
        *FRAGMENTS,
    ]
)
TEXTS = st.one_of(st.text(max_size=200), st.lists(ALPHABET, max_size=40).map("".join))


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_any_text_gives_a_count_or_a_reason(text: str):
    parsed = parse_count(text)
    assert (parsed.count is None) != (parsed.reason is None)
    assert parsed.count is None or 0 <= parsed.count <= MAX_COUNT
    assert 0 < len(parsed.explanation) < 200
    assert is_documented_form(text) in (True, False)


@given(st.lists(st.sampled_from([chr(code) for code in range(32, 127)]), max_size=60).map("".join))
@settings(max_examples=200, deadline=None)
def test_full_width_text_reads_as_ascii_does(text: str):
    assert parse_count(numerals.full_width(text)) == parse_count(text)


@given(st.integers(0, MAX_COUNT))
@settings(max_examples=100, deadline=None)
def test_digits_read_as_their_number(number: int):
    for text in (f"{number}", f"{number:,}", f"A photo of {number} apples", f"有{number}個"):
        assert parse_count(text).count == number, text


@given(st.integers(0, 999_999))
@settings(max_examples=200, deadline=None)
def test_large_numbers_in_words_read_as_their_number(number: int):
    for text in (numerals.english(number), numerals.english(number, hyphen=" ", joint=" ")):
        assert parse_count(f"There are {text} apples").count == number, text


@given(st.integers(0, 99_999_999))
@settings(max_examples=200, deadline=None)
def test_large_chinese_numerals_read_as_their_number(number: int):
    text = numerals.chinese(number)
    assert parse_count(f"圖中有{text}個蘋果").count == number, text


SHORT_TENS = {"二十": "廿", "三十": "卅", "四十": "卌"}


@given(st.integers(20, 49), st.integers(0, 9), st.sampled_from(MEASURE_WORDS))
def test_tens_of_one_sign_read_as_those_of_two(number: int, hundreds: int, measure: str):
    """廿四 is 二十四; after hundreds too."""
    written = numerals.chinese(100 * hundreds + number)
    for long, short in SHORT_TENS.items():
        text = f"圖中有{written.replace(long, short)}{measure}"
        assert parse_count(text).count == parse_count(f"圖中有{written}{measure}").count, text


@given(
    st.sampled_from(["一", "連一", "圖中一", "照片裡一"]),
    st.sampled_from(MEASURE_WORDS),
    st.text("蘋果貓狗汽車紅大", max_size=6),
    st.sampled_from(["沒有", "没有", "沒看到", "看不到", "看不見", "找不到", "沒見到", "未見"]),
    st.sampled_from(["", "。", "了", "，"]),
)
def test_not_one_of_them_is_none(one: str, measure: str, thing: str, unseen: str, end: str):
    for also in "也都":
        text = f"{one}{measure}{thing}{also}{unseen}{end}"
        assert parse_count(text).count == 0, text


@pytest.mark.parametrize("thousands", range(10))
def test_every_number_below_ten_thousand_round_trips(thousands: int):
    for number in range(1000 * thousands, 1000 * (thousands + 1)):
        for text in (
            str(number),
            numerals.english(number),
            numerals.chinese(number),
            numerals.chinese(number, numerals.SIMPLIFIED),
            numerals.chinese(number, numerals.FINANCIAL),
            numerals.chinese(number, numerals.FINANCIAL_SIMPLIFIED),
        ):
            assert parse_count(text).count == number, text


@pytest.mark.parametrize(
    "piece",
    ["1", "1,", "1,111", "1.", "-", "- ", "a ", "a photo of ", "a photo of an ", "one ", "three-",
     "one hundred and ", "half a ", "no ", "not any ", "'", "十", "三", "三到", "一張", "½", "3/",
     " "],
)  # fmt: skip
def test_long_repetitions_end(piece: str):
    text = (piece * 100_000)[:100_000]
    parsed = parse_count(text)
    assert (parsed.count is None) != (parsed.reason is None)
