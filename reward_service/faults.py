"""Words around a number that make it no count: "minus 3", "at least 3", "3 and a half", 三十多."""

import re

from reward_service.english_numbers import NUMBER_STARTS
from reward_service.measure_words import MEASURE_WORDS
from reward_service.mention import Mention
from reward_service.neighbours import Before
from reward_service.parsed_count import NoCountReason
from reward_service.phrases import any_of

_BOUNDS_AFTER = [
    "or more", "or fewer", "or less", "or so", "or above", "or higher", "or greater", "or over",
    "or thereabouts", "and more", "and up", "and counting", "at least", "at most", "at minimum",
    "at the least", "at the most", "give or take", "approximately", "roughly", "or maybe more",
    "or possibly more", "approx", "maybe more", "possibly more", "perhaps more", "if not more",
    "plus", "odd", "more or less",
    "minimum", "maximum", "ish", "or many more", "or even more",
]  # fmt: skip
_HALF_AFTER = re.compile(rf"\s{{1,3}}and (?:a|one)[ -]half\b|[{MEASURE_WORDS}]?半")
_BOUND_AFTER = re.compile(
    rf"\s?\+(?!\s?(?:[0-9(一二兩两三四五六七八九十]|{any_of(NUMBER_STARTS)}))|\s?±|-?ish\b|-odd\b"
    rf"|[\s,(-]{{1,3}}(?:[a-z]{{2,14}}[\s,(]{{1,2}}){{0,2}}{any_of(_BOUNDS_AFTER)}\b"
    rf"(?!\s(?:of|[0-9]|one|two|three))|\s(?:some|something)\b(?!\s(?:of|are|is)\b)"
    rf"|[{MEASURE_WORDS}]多(?![是個个])|[{MEASURE_WORDS}]?不到"
    rf"|[{MEASURE_WORDS}]?(?:[^\s,。;!?0-9]{{0,4}})"
    rf"(?:以[上下內内]|左右|上下|出[頭头]|或更[多少]|或以上|起跳)"
)
_PAIRS_AFTER = re.compile(r"\s{1,3}pairs?\b")
_ODD_AFTER = re.compile(rf"[多幾几餘余]|[來来][{MEASURE_WORDS}]")
_FAULTS_BEFORE = {
    Before.NEGATIVE: NoCountReason.NEGATIVE,
    Before.BOUND: NoCountReason.RANGE,
}
_AFTER = (
    (NoCountReason.DECIMAL, _HALF_AFTER),
    (NoCountReason.RANGE, _BOUND_AFTER),
    (NoCountReason.SEVERAL_COUNTS, _PAIRS_AFTER),
)


def with_fault(text: str, mention: Mention, before: tuple[Before, int] | None) -> Mention:
    """The mention, or the fault that its neighbours make of it, widened by those words."""
    if mention.fault is not None:
        return mention
    if text[mention.start - 1 : mention.start] in ("-", "–"):
        return mention._replace(start=mention.start - 1, value=None, fault=NoCountReason.NEGATIVE)
    if before is not None and (fault := _FAULTS_BEFORE.get(before[0])):
        return mention._replace(start=before[1], value=None, fault=fault)
    for fault, pattern in _AFTER:
        if match := pattern.match(text, mention.end):
            return mention._replace(end=match.end(), value=None, fault=fault)
    has_tens = mention.value is not None and mention.value >= 10
    if (match := _ODD_AFTER.match(text, mention.end)) and (has_tens or not mention.strict):
        return mention._replace(end=match.end(), value=None, fault=NoCountReason.RANGE)
    return mention
