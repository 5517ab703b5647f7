"""Numbers in English words: "twenty-one", "a hundred and five", "two dozen", "2 million"."""

import re
from collections.abc import Sequence

from reward_service.digit_numbers import digits_value
from reward_service.english_words import Word, words_from
from reward_service.mention import Mention, mention_of
from reward_service.parsed_count import NoCountReason
from reward_service.phrases import any_of

_UNITS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
}
_TEENS = {
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "thirteen": 13,
    "fourteen": 14,
    "fifteen": 15,
    "sixteen": 16,
    "seventeen": 17,
    "eighteen": 18,
    "nineteen": 19,
}
_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_SMALL = _UNITS | _TEENS
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_MULTIPLIERS = {"dozen", "hundred"} | _SCALES.keys()
NUMBER_WORDS = frozenset({"zero", *_SMALL, *_TENS, *_MULTIPLIERS})
# Where a number may begin that has a word in it; "one hundred" begins with "one".
NUMBER_STARTS = [
    *("zero", *_SMALL, *_TENS),
    *(f"a {unit}" for unit in (*_MULTIPLIERS, "couple")),
    *("half dozen", "half-dozen", "half a dozen"),
]
_AFTER_DIGITS = _MULTIPLIERS | {"dozens"}
# What follows digits that a word multiplies.
MULTIPLIER_AFTER = re.compile(rf"[ \t-]{any_of(_AFTER_DIGITS)}(?![a-z])")
# What may be inside a number beside its words.
_JOINTS = {"a", "an", "and", "half", "couple", "of"}
_MAX_WORDS = 18

_INTEGER = re.compile(r"[0-9]{1,9}|[1-9][0-9]{0,2}(?:,[0-9]{3}){1,2}")
_ORDINAL = re.compile(
    r"first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth"
    r"|\w{2,9}(?:teenth|tieth)"
)
_POWER_ORDINAL = re.compile(r"(?:hundred|thousand|million|billion)ths?")
_FRACTION = re.compile(r"(?:third|fourth|fifth|sixth|seventh|eighth|ninth|tenth)s?")

_Part = tuple[int, int]  # a value, and the index of the word after it


def read_english(text: str, start: int) -> tuple[Mention | None, int]:
    """The number that begins at `start`, if one does that is no ordinal, and where to go on."""
    words = _number_words(text, start)
    part = _number(words) if words else None
    if part is None:
        return None, words[0].end if words else start + 1
    value, after = part
    return _judge(words, value, after), words[after - 1].end


def _number_words(text: str, start: int) -> list[Word]:
    """The words of a number from its first on, and two more that may make it something else."""
    words: list[Word] = []
    last, others = "", 0
    for word in words_from(text, start):
        words.append(word)
        if word.text in NUMBER_WORDS:
            if _cannot_follow(last, word.text):
                break
            last, others = word.text, 0
        else:
            others += 1 if word.text in _JOINTS else 2
        if others > 3 or len(words) == _MAX_WORDS:
            break
    return words


def _cannot_follow(last: str, word: str) -> bool:
    """Whether no number has the two words one after the other, an "and" between or not."""
    if last in _SMALL:
        return word in _SMALL or word in _TENS
    if last in _TENS:
        return word in _TEENS or word in _TENS
    return last == word


def _judge(words: Sequence[Word], value: int, after: int) -> Mention | None:
    """The number as a mention; a fraction is a fault, an ordinal ("twenty-first") is nothing."""
    start, last = words[0].start, words[after - 1]
    following = words[after].text if after < len(words) and last.gap in (" ", "-") else ""
    if value < 10 and (_FRACTION.fullmatch(following) or (value == 1 and following == "half")):
        return Mention(start, words[after].end, fault=NoCountReason.DECIMAL)
    if _POWER_ORDINAL.fullmatch(following):
        return None
    if following == "and" and after + 1 < len(words) and words[after].joins_by_space:
        following = words[after + 1].text
    if last.text in _TENS.keys() | _MULTIPLIERS and _ORDINAL.fullmatch(following):
        return None
    return mention_of(start, last.end, value)


def _number(words: Sequence[Word]) -> _Part | None:
    """The longest number that begins with the first word, if it has a word in it."""
    if words[0].text == "zero":
        return 0, 1
    part = _half_dozen(words) or _group(words, 0)
    if part is None:
        return None
    if _text_after(words, part[1]) in ("dozen", "dozens"):
        return part[0] * 12, part[1] + 1
    total, after = _scale(words, part)
    is_word = after > 1 or words[0].text in NUMBER_WORDS
    return (total, after) if is_word else None


def _half_dozen(words: Sequence[Word]) -> _Part | None:
    if words[0].text != "half":
        return None
    after = 2 if _text_after(words, 1) == "a" else 1
    return (6, after + 1) if _text_after(words, after) == "dozen" else None


def _scale(words: Sequence[Word], part: _Part) -> _Part:
    """Adds thousands, millions and so on, largest first, to the group already read."""
    value, after = part
    total, last_scale = 0, 10**15
    while (scale := _SCALES.get(_text_after(words, after), 0)) and scale < last_scale:
        total, last_scale = total + value * scale, scale
        value, after = 0, after + 1
        rest = _group(words, _after_and(words, after)) if _joins(words, after) else None
        if rest is None or rest[0] >= 1000:
            break
        following = _SCALES.get(_text_after(words, rest[1]), 0)
        if following >= last_scale:
            break
        value, after = rest
    return total + value, after


def _group(words: Sequence[Word], index: int) -> _Part | None:
    """A number below a thousand ("a hundred and five"), or digits before a larger unit."""
    part = _leading(words, index)
    if part is None or _text_after(words, part[1]) != "hundred":
        return part
    value, after = part[0] * 100, part[1] + 1
    if not _joins(words, after):
        return value, after
    rest = _below_hundred(words, _after_and(words, after))
    return (value + rest[0], rest[1]) if rest else (value, after)


def _leading(words: Sequence[Word], index: int) -> _Part | None:
    """A number below a hundred, "a couple of", or an article or digits before a larger unit."""
    if index >= len(words):
        return None
    text = words[index].text
    if text == "a" and _text_after(words, index + 1) == "couple":
        return (2, index + 3) if _text_after(words, index + 2) == "of" else None
    if _text_after(words, index + 1) in _AFTER_DIGITS:
        if text == "a":
            return 1, index + 1
        if _INTEGER.fullmatch(text):
            return digits_value(text), index + 1
    return _below_hundred(words, index)


def _below_hundred(words: Sequence[Word], index: int) -> _Part | None:
    if index >= len(words):
        return None
    text = words[index].text
    if text in _SMALL:
        return _SMALL[text], index + 1
    if text not in _TENS:
        return None
    unit = _UNITS.get(_text_after(words, index + 1), 0)
    return _TENS[text] + unit, index + (2 if unit else 1)


def _joins(words: Sequence[Word], index: int) -> bool:
    """Whether the word at `index` belongs to the one before it: only a space or a hyphen between.

    A comma joins too after "thousand" and larger: "two thousand, three hundred".
    """
    if not 0 < index < len(words):
        return False
    before = words[index - 1]
    by_comma = before.text in _SCALES and before.gap == ", "
    return before.joins_by_space or before.joins_by_hyphen or by_comma


def _text_after(words: Sequence[Word], index: int) -> str:
    return words[index].text if _joins(words, index) else ""


def _after_and(words: Sequence[Word], index: int) -> int:
    """The index after an "and", where one joins "hundred" or "thousand" to the rest."""
    is_joint = _text_after(words, index) == "and" and _joins(words, index + 1)
    return index + 1 if is_joint else index
