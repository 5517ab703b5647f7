"""Which language a client is answered in, by its Accept-Language."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.accept_language import choose_language
from tally.messages.languages import Language

qualities = st.integers(1, 1000).map(lambda thousandths: thousandths / 1000)
CHINESE = ("zh", "zh-TW", "zh-Hant", "zh-Hant-TW", "zh-HK", "ZH-hant-cn", "zh-mo")
ENGLISH = ("en", "en-GB", "EN-us", "en-Latn-US")
OTHERS = ("ja", "de-CH", "*", "zh-CN", "zh-Hans", "zh-Hans-SG", "enx", "x-zh")
LANGUAGES = {
    **dict.fromkeys(CHINESE, Language.CHINESE),
    **dict.fromkeys(ENGLISH, Language.ENGLISH),
}


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-TW,zh;q=0.9,en-US;q=0.8,en;q=0.7", Language.CHINESE),
        ("zh-Hant-TW", Language.CHINESE),
        ("zh-HK, en;q=0.5", Language.CHINESE),
        ("zh", Language.CHINESE),
        ("en;q=0.3 , zh ; q = 0.4", Language.CHINESE),
        ("zh-CN,zh;q=0.9", Language.CHINESE),
        ("zh-CN", Language.ENGLISH),
        ("zh;q=0.5,en", Language.ENGLISH),
        ("en,zh", Language.ENGLISH),
        ("zh;q=0", Language.ENGLISH),
        ("zh;q=0.0001", Language.ENGLISH),
        ("zh;q=2", Language.ENGLISH),
        ("zh q=1", Language.ENGLISH),
        ("zh_TW", Language.ENGLISH),
        ("fr, de;q=0.5", Language.ENGLISH),
        ("*", Language.ENGLISH),
        ("", Language.ENGLISH),
    ],
)
def test_the_language_that_is_wanted_most_is_chosen(accepted: str, language: Language) -> None:
    assert choose_language(accepted) is language


@given(st.lists(st.tuples(st.sampled_from([*LANGUAGES, *OTHERS]), qualities), max_size=8))
def test_the_first_of_the_highest_quality_decides(ranges: list[tuple[str, float]]) -> None:
    known = [(LANGUAGES[tag], quality) for tag, quality in ranges if tag in LANGUAGES]
    best, _ = max(known, key=lambda one: one[1], default=(Language.ENGLISH, 0))
    assert choose_language(", ".join(f"{tag};q={quality}" for tag, quality in ranges)) is best


@given(st.text(max_size=200) | st.text(string.ascii_lowercase + "-;=,.0189 *zhenq", max_size=200))
def test_any_text_chooses_a_language(accepted: str) -> None:
    assert choose_language(accepted) in Language


def test_no_more_ranges_are_read_than_a_browser_sends() -> None:
    assert choose_language("ja," * 10_000 + "zh") is Language.ENGLISH
