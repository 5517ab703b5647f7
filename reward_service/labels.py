"""Numbers that count nothing: labels, ordinals, dates, units, "one" as a pronoun, word parts."""

import re

from reward_service.chinese_numbers import UNIT_CHARACTERS
from reward_service.measure_words import MEASURE_WORDS
from reward_service.mention import Mention
from reward_service.neighbours import MONTHS, Before
from reward_service.phrases import any_of, split

_UNITS = """
cm|mm|km|kg|mg|ml|px|mph|fps|gb|mb|inch|inches|pixels|percent|year|years|month|months|week|weeks|day
days|hour|hours|minute|minutes|meters|metres|meter|metre|centimeters|centimetres|kilometers|miles
times|dollars|dollar|bucks|usd|euro|euros|cents|o'clock|am|pm|a.m|p.m|degrees|degree
kilograms|kilogram|grams|gram|liters|litres
"""
_AFTER = re.compile(
    r"\s?(?:\\?%|[°℃年月日號号樓楼歲岁時时點点分秒元倍次天週周角邊边等度]|公[分尺斤里]|[毫釐厘]米"
    r"|[個个](?:月|小時|小时|星期|禮拜|礼拜)|部分|:[0-9])"
    r"|\.(?:png|jpe?g|gif|webp|bmp|tiff?|svg|csv|txt|pdf|zip|json|md|py|com|org)\b"
)
_UNIT_AFTER = re.compile(
    rf"[\s-]{{0,2}}{any_of(split(_UNITS))}\b(?!')|\s{any_of(split(MONTHS))}\b"
    r"|\s?[x×]\s?[0-9]{2,5}\s?(?:px|pixels)\b|\s?[€£¥]"
    r"|[\s-](?:feet|foot|ft)[\s-](?:tall|long|wide|high|away|apart|deep|off)\b"
)
# "one of them", and 一張 where it says "a" photo.
_ONE_AFTER = re.compile(
    r"\s{1,3}(?:of|another|by one)\b|[張张幅](?:[^。!?\n]{0,16}的)?(?:照片|相片|[圖图])"
    r"|[堆群批]|口氣"
)
_THING_BEFORE = re.compile(
    r"\b(?:the|this|that|each|every|an?)\s"
    r"(?:(?P<place>first|second|third|fourth|fifth|last|next|other|left|right)|[a-z]{2,12})\s$"
)
_NOUN_AFTER = re.compile(r"\s(?!(?:is|are|was|has|on|in|at|of|and|or|that|which|with|to)\b)[a-z]")
_WINDOW = 24
_MEASURED = re.compile(rf"[{MEASURE_WORDS}多幾几餘余]|[來来][{MEASURE_WORDS}]")
# Chinese words after which a bare numeral is a number and not part of another word.
_LEADS_TO_NUMBER = "有是共計计為为約约了只僅仅的到見见负負少多過过於于加"


def is_label(text: str, mention: Mention, role: Before | None) -> bool:
    """Whether what stands around the number says that it counts nothing."""
    start, end = mention.start, mention.end
    return (
        role is Before.LABEL
        or _is_glued(text, start, end)
        or _follows_label(text, start)
        or _AFTER.match(text, end) is not None
        or (
            mention.fault is None
            and (text[end : end + 1] in UNIT_CHARACTERS or _UNIT_AFTER.match(text, end) is not None)
        )
        or (mention.value == 1 and _is_pronoun(text, start, end, role))
        or (mention.strict and _is_part_of_word(text[start - 1 : start], text, end))
    )


def _is_pronoun(text: str, start: int, end: int, role: Before | None) -> bool:
    """Whether a one stands for a thing that is said elsewhere: "this one", "the red one"."""
    if role is Before.PRONOUN or _ONE_AFTER.match(text, end):
        return True
    before = text[max(0, start - _WINDOW) : start]
    if not text.startswith("one", start) or not (thing := _THING_BEFORE.search(before)):
        return False
    return thing["place"] is not None or _NOUN_AFTER.match(text, end) is None


def _is_glued(text: str, start: int, end: int) -> bool:
    """Whether letters touch the number, or a hyphen ties it to some: "3rd", "image2", "GPT-4"."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    touched_before = before[:-1] if before[-1:] in ("-", "–") else before[-1:]
    touched_after = after[1:] if after[:1] == "-" else after[:1]
    if before[-1:] == "x" and not _is_latin(before[:-1]):
        touched_before = ""  # "apples x3"
    return (_is_latin(touched_before) and _is_latin(text[start])) or (
        _is_latin(touched_after) and _is_latin(text[end - 1])
    )


def _follows_label(text: str, start: int) -> bool:
    """Whether a path, a time or a version goes on there: "images/3", "10:30", "v2.5"."""
    last = text[start - 1 : start] if start else ""
    before = text[start - 2 : start - 1] if start > 1 else ""
    if last == "\\":
        return True
    if last == "/":
        return before.isalnum() or before in ("_", ")", " ")
    if last == ":":
        return before.isascii() and before.isdigit()
    return last == "." and before.isascii() and (before.isalnum() or before == "_")


def _is_part_of_word(before: str, text: str, end: int) -> bool:
    """Whether a Chinese numeral is neither measured nor on its own: 三明治, 唯一."""
    if _MEASURED.match(text, end):
        return False
    return _is_han(text[end : end + 1]) or (_is_han(before) and before not in _LEADS_TO_NUMBER)


def _is_latin(character: str) -> bool:
    """Whether it is a letter or digit of a script that puts spaces between words."""
    return character == "_" or (character < "\u1100" and character.isalnum())


def _is_han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff" or character == "〇"
