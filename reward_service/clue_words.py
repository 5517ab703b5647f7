"""Words and signs that begin the reading of an answer, by what they are, in lower case.

A word may be something only where its pattern matches right after it, and the first entry that
fits is what it is: "no" before a comma takes back what was said, "no" before a word says that there
is none. A phrase without an entry is nothing, though a part of it would be something.
"""

import re
from enum import Enum

from reward_service.absences import ANY_AFTER, OBJECT_AFTER
from reward_service.english_numbers import NUMBER_STARTS
from reward_service.measure_words import MEASURE_WORDS
from reward_service.pairs import SETS, SETS_HAN


class Kind(Enum):
    """A number by the way it is written, an absence, or a mark of a conclusion."""

    DIGITS = "digits"
    NUMERALS = "numerals"
    ENGLISH = "number in English words"
    SET = "set"
    SET_HAN = "set in Chinese"
    ABSENCE = "absence"
    NOTHING = "nothing"
    CORRECTION = "correction"
    ANSWER = "answer"
    TOTAL = "total"
    RESULT = "result"
    SO = "so"


Then = re.Pattern[str] | None
_IS = re.compile(r"[\"'*_`]{0,3}\s{0,3}(?:[:=]|(?:is|are|was|would be|should be)\b)")
_IS_SIGN = re.compile(r"[\"'*_`]{0,3}\s{0,3}[:=]")
_IS_HAN = re.compile(r"[\"'*_`]{0,3}\s{0,3}(?:[是為为:=]|應|应)")


def _table(kind: Kind, phrases: str, then: Then = None) -> dict[str, list[tuple[Kind, Then]]]:
    return {phrase.strip(): [(kind, then)] for phrase in phrases.split("|")}


_NEGATIONS = (
    "not|cannot|without|dont|doesnt|arent|isnt|don't|doesn't|aren't|isn't|can't|won't|wasn't"
    "|weren't|couldn't|didn't|hasn't|haven't|wouldn't|shouldn't|ain't"
)
_CORRECTIONS = (
    "correction|scratch that|i mean|recount|recounting|oops|on second thought|make that|or rather"
    "|looking again|counting again|my mistake|sorry|actually"
)
_TOTALS = (
    "total|totals|totaling|totalling|altogether|all together|overall|sum|combined|adds up to"
    "|add up to|adding up to|add up|all told"
)
_SO = (
    "therefore|thus|hence|making|makes|make|that's|that is|equals|giving|gives|which means"
    "|i'd say|i would say|i'll say|i'd go with|i'll go with"
)

ENGLISH: dict[str, list[tuple[Kind, Then]]] = {
    **_table(Kind.ENGLISH, "|".join(NUMBER_STARTS)),
    **_table(Kind.SET, "|".join(SETS)),
    **_table(Kind.ABSENCE, _NEGATIONS, ANY_AFTER),
    **_table(Kind.CORRECTION, _CORRECTIONS),
    **_table(Kind.CORRECTION, "wait", re.compile(r"(?=\s?[,.!…:–—-]|\s(?:no|there|i)\b)")),
    **_table(Kind.ANSWER, "answer|count|result|conclusion|quantity", _IS),
    **_table(Kind.ANSWER, "number", _IS_SIGN),
    **_table(Kind.ANSWER, "number of", re.compile(r"\s[^.\n:=]{1,40}?(?:\s(?:is|are)\b|[:=])")),
    **_table(Kind.TOTAL, _TOTALS),
    **_table(
        Kind.TOTAL, "in all", re.compile(r"(?!\s(?:the|of|these|those|my|its|directions)\b)")
    ),
    **_table(Kind.SO, _SO),
    **_table(Kind.SO, "so", re.compile(r"(?!\s(?:many|much|far|that|on|called|few)\b)")),
    "or so": [],
    "none": [(Kind.ABSENCE, re.compile(r"(?!\sother\b)"))],
    "nothing": [(Kind.NOTHING, re.compile(r"(?!\s(?:but|else|other|more|less|except)\b)"))],
    "no": [
        (Kind.CORRECTION, re.compile(r"(?=\s?[,!–—…]|\.\.|\swait)")),
        (Kind.ABSENCE, OBJECT_AFTER),
    ],
}  # fmt: skip
HAN: dict[str, list[tuple[Kind, Then]]] = {
    **_table(Kind.SET_HAN, "|".join(SETS_HAN)),
    **_table(Kind.CORRECTION, "不對|不对", re.compile(r"(?=[,。!;:\s]|$)")),
    **_table(Kind.CORRECTION, "不", re.compile(r"(?=[,!])")),
    **_table(Kind.CORRECTION, "更正|修正|抱歉|等等|等一下|應該是|应该是|其實|其实"),
    **_table(Kind.ANSWER, "答案|數量|数量|結果|结果|總數|总数", _IS_HAN),
    **_table(Kind.ANSWER, "結論|结论"),
    **_table(Kind.TOTAL, "總共|总共|一共|共計|共计|共有|合計|合计|總計|总计"),
    **_table(Kind.TOTAL, "加起來|加起来|總和|总和"),
    **_table(Kind.TOTAL, "共", re.compile(r"(?![同用享])")),
    **_table(Kind.SO, "→|⇒|所以|因此|等於|等于|得出|得到|也就是|就是|即是"),
    **_table(Kind.ABSENCE, "看不到任何"),
    **_table(
        Kind.ABSENCE,
        "沒看到|没看到|沒看見|没看见|沒發現|没发现|未發現|未发现|未見|未见|沒見|没见|未看到",
        re.compile("(?!清楚)"),
    ),
    **_table(
        Kind.ABSENCE,
        "沒有|没有",
        re.compile(
            rf"(?:任何)?[一半][{MEASURE_WORDS}](?![是不])"
            r"|(?![辦办]法|[問问][題题]|[關关][係系]|其[他它]|更多|[別别]的|[錯错]|把握|疑[問问]|意[見见])"
        ),
    ),
    "有沒有": [],
    "有没有": [],
}  # fmt: skip
# "Not one": 一個也沒有, 一隻都看不到, 一個不剩.
_NOT_SEEN = (
    "[沒没](?:有|看[到見见]|瞧[見见]|[見见]到?|找到|發現|发现|剩)"
    "|[看瞧找]不[到見见着著]|未[見见]"
)  # fmt: skip
_END = r"[了喔啊呢哦呀]?(?:[\s,。;!?)]|$)"
_NOT_ONE = (
    rf"一[^\s,。](?:[也都](?:{_NOT_SEEN})|[也都][沒没無无](?={_END})|不[剩留])"
    # With the thing between, nothing may follow: 一個蘋果也沒有, but 一個蘋果都沒有壞.
    rf"|(?<![了有是只])一[{MEASURE_WORDS}][^\s,。;、!?:一也都其別别外]{{1,6}}[也都]"
    rf"(?:{_NOT_SEEN}|[沒没無无])(?={_END})"
)
# These are no plain words: 無 is an answer only where it is all of it, or says where there is none.
HAN_PATTERNS = {
    Kind.ABSENCE: (
        r"^\s{0,9}[無无](?=[。.!]?\s{0,9}$)|(?<=[中上裡里內内])[無无](?=[^法論论])|" + _NOT_ONE
    )
}
SIGNS = {Kind.SO: "=>|->", Kind.RESULT: r"(?<![<>!=])=(?!=)", Kind.ANSWER: "####"}
