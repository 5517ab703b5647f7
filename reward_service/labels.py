"""Numbers that count nothing: labels, ordinals, dates, units, "one" as a pronoun, word parts."""

import re

from reward_service.chinese_numbers import UNIT_CHARACTERS
from reward_service.measure_words import MEASURE_WORDS
from reward_service.mention import Mention

# Enough to see the longest phrase below; a fixed window keeps the search linear in the text.
_WINDOW = 24

_BEFORE = re.compile(
    r"(?:第|[$€£¥#@\\]|星期|禮拜|礼拜|其中[有的]?|分之)\s?$|[初每另某任哪]$|[\w)]\s?[/\\]$|[0-9]:$"
    r"|[A-Za-z0-9_]\.$"
)
_AFTER = re.compile(
    r"\s?(?:[%°年月日號号樓楼歲岁時时點点分秒元倍次天週周角邊边等]|公[分尺斤里]"
    r"|[個个](?:月|小時|小时|星期|禮拜|礼拜)|部分|:[0-9])|\.[a-z]"
)
_ONE_BEFORE = re.compile(
    r"\b(?:no|the|this|that|each|every|any|some|which|another)\s{1,3}$|[同這这那]$", re.IGNORECASE
)
# "one of them", and 一張 where it says "a" photo.
_ONE_AFTER = re.compile(
    r"\s{1,3}(?:of|another|by one)\b|[張张幅](?:[^。!?\n]{0,16}的)?(?:照片|相片|[圖图])",
    re.IGNORECASE,
)
_MEASURED = re.compile(rf"[{MEASURE_WORDS}多幾几餘余]|[來来][{MEASURE_WORDS}]")
# Chinese words after which a bare numeral is a number and not part of another word.
_LEADS_TO_NUMBER = "有是共計计為为約约了只僅仅的到見见負负少多過过於于"


def is_label(text: str, mention: Mention) -> bool:
    """Whether what stands around the number says that it counts nothing."""
    before = text[max(0, mention.start - _WINDOW) : mention.start]
    after = text[mention.end : mention.end + _WINDOW]
    return bool(
        _is_glued(before, text[mention.start], text[mention.end - 1], after)
        or _BEFORE.search(before)
        or _AFTER.match(after)
        or (mention.fault is None and _is_han_unit(after[:1]))
        or (mention.value == 1 and (_ONE_BEFORE.search(before) or _ONE_AFTER.match(after)))
        or (mention.strict and _is_part_of_word(before, after))
    )


def _is_glued(before: str, first: str, last: str, after: str) -> bool:
    """Whether letters touch the number, or a hyphen ties it to some: "3rd", "image2", "GPT-4"."""
    touched_before = before[-2:-1] if before[-1:] in ("-", "–") else before[-1:]
    touched_after = after[1:2] if after[:1] == "-" else after[:1]
    return (_is_latin(first) and _is_latin(touched_before)) or (
        _is_latin(last) and _is_latin(touched_after)
    )


def _is_part_of_word(before: str, after: str) -> bool:
    """Whether a Chinese numeral is neither measured nor on its own: 三明治, 唯一."""
    if _MEASURED.match(after):
        return False
    return _is_han(after[:1]) or (_is_han(before[-1:]) and before[-1] not in _LEADS_TO_NUMBER)


def _is_latin(character: str) -> bool:
    """Whether it is a letter or digit of a script that puts spaces between words."""
    return character == "_" or (character.isalnum() and character < "\u1100")


def _is_han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff" or character == "〇"


def _is_han_unit(character: str) -> bool:
    return character != "" and character in UNIT_CHARACTERS
