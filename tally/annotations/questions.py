"""A count of things in a picture as a question with its answer, in English or Chinese."""

import re
from enum import StrEnum
from typing import NamedTuple
from zlib import crc32


class QuestionLanguage(StrEnum):
    """The language that is asked in."""

    ENGLISH = "en"
    CHINESE = "zh-TW"


class CountedImage(NamedTuple):
    """How many things of a kind, such as "apple", a picture shows; `image` is the file's name."""

    image: str
    kind: str
    true_count: int


class Question(NamedTuple):
    image: str
    question: str
    answer: str


_QUESTIONS = {
    QuestionLanguage.ENGLISH: (
        "How many {things} are in this image?",
        "Count the {things} in the picture.",
        "How many {things} do you see?",
        "What is the number of {things} in this photo?",
    ),
    QuestionLanguage.CHINESE: (
        "圖中有多少個{kind}？",
        "請數一數圖片裡有幾個{kind}。",
        "這張照片裡有幾個{kind}？",
        "圖片中{kind}的數量是多少？",
    ),
}
_IRREGULAR = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "mouse": "mice",
    "goose": "geese", "foot": "feet", "tooth": "teeth", "knife": "knives", "leaf": "leaves",
    "shelf": "shelves", "loaf": "loaves", "wolf": "wolves", "calf": "calves", "ox": "oxen",
    "sheep": "sheep", "fish": "fish", "deer": "deer", "aircraft": "aircraft",
    "broccoli": "broccoli", "skis": "skis",
}  # fmt: skip
_IS_PLURAL = re.compile(r"[^siu]s$")
_WITH_ES = re.compile(r"(?:s|x|z|ch|sh)$")
_WITH_IES = re.compile(r"[^aeiou]y$")
# What, beside a number, may be read as one or change it: "3 dozen eggs", 3 號. The answer is then
# the number alone.
_MISLEADING = re.compile(
    r"\d|\b(?:no|not|none|nothing|any|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundreds?|thousands?"
    r"|millions?|billions?|dozens?|scores?|pairs?|couples?|duos?|trios?|quartets?|single|half|halves"
    r"|quarters?|thirds?|and|or|to|at|plus|odd|ish|some|something|more|less|fewer|approx\w*|roughly"
    r"|give|minimum|maximum|total|count|number|years?|months?|weeks?|days?|hours?|minutes?|seconds?"
    r"|times|percent|pixels?|inch\w*|feet|foot|ft|degrees?|dollars?|bucks?|euros?|cents?"
    r"|(?:kilo|milli|centi)?(?:met(?:er|re)|gram|lit(?:er|re))s?|miles?|[a-z]{1,2})\b"
    "|[零〇一二兩两三四五六七八九十百千萬万億亿廿卅半沒没無无不雙双對对打倆俩仨多幾几餘余來来第其共"
    "年月日號号樓楼歲岁時时點点分秒元倍次天週周角邊边等度公毫釐厘米個个以左上出或]",
    re.I,
)


def ask(counted: CountedImage, language: QuestionLanguage) -> Question:
    """The question and its answer; which of the ways of asking, image and kind decide.

    >>> ask(CountedImage("a.jpg", "bus", 3), QuestionLanguage.ENGLISH).answer
    'A photo of 3 buses'
    """
    ways = _QUESTIONS[language]
    way = ways[crc32(f"{counted.image}\0{counted.kind}".encode()) % len(ways)]
    kind = " ".join(counted.kind.replace("_", " ").split())
    question = way.format(kind=kind, things=plural(kind))
    return Question(counted.image, question, _answer(kind, counted.true_count, language))


def _answer(kind: str, count: int, language: QuestionLanguage) -> str:
    if _MISLEADING.search(kind):
        return str(count)
    if language is QuestionLanguage.CHINESE:
        return f"圖中有 {count} 個{kind}"
    return f"A photo of {count} {kind if count == 1 else plural(kind)}"


def plural(kind: str) -> str:
    """The plural of an English noun; other words, and plurals, stay as they are.

    >>> [plural(kind) for kind in ("wine glass", "person", "berry", "cars", "蘋果")]
    ['wine glasses', 'people', 'berries', 'cars', '蘋果']
    """
    before, last = kind[: kind.rfind(" ") + 1], kind[kind.rfind(" ") + 1 :]
    word = last.lower()
    if not word.isascii() or not word.isalpha() or _IS_PLURAL.search(word):
        return kind
    if word in _IRREGULAR:
        return before + _IRREGULAR[word]
    if _WITH_ES.search(word):
        return f"{kind}es"
    return f"{kind[:-1]}ies" if _WITH_IES.search(word) else f"{kind}s"
