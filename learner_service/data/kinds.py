"""What a question asks to be counted, as a name to group by. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

OTHER = "other"
_MOST_KINDS = 30
_MOST_CHARACTERS = 40
_MOST_READ_CHARACTERS = 500
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
# Words that questions are made of; what is left names the objects.
_QUESTION_WORDS = """
a all an and any answer are as at being by can context could count counted counting depicted display
displayed do does exact exactly find following for form format from give given have how i image
images in inside is it its just let many me much name need number numbers object objects of on one
only out output photo photograph photos picture pictured pictures piece pieces please point present
provide provided respond say scene see seen show showing shown shows single state tell that the
their them there these this those to total type visible want was we were what which will with within
would write you your
"""
_COMMON_WORDS = frozenset(_QUESTION_WORDS.split())
_CHINESE = re.compile(
    r"(?:幾|几|多少|[數数]量|[總总][數数]|[數数]一?[數数]|[計计][數数]|[計计]算)"
    r"[個个隻只條条張张顆颗粒輛辆台臺架艘朵棵株匹頭头位名人本支枝把件塊块杯瓶盒包間间棟栋座隻]?"
    r"(?:有|的)?(?P<kind>[\u4e00-\u9fff]{1,8}?)"
    r"(?:在|的[數数]|有|呢|嗎|吗|[，。？！?!,.\s]|$)"
)


def kind_of(question: str) -> str:
    """The objects that the question's beginning names, in lower case; OTHER where it names none.

    English: the words that are no question's usual ones. Chinese: what follows the word for "how
    many" and its measure word.
    """
    # Normalising may cost the square of what it is given.
    text = unicodedata.normalize("NFKC", question[:_MOST_READ_CHARACTERS])
    if match := _CHINESE.search(text):
        return match["kind"]
    words = [word for word in _WORD.findall(text.lower()) if word not in _COMMON_WORDS]
    return " ".join(words)[:_MOST_CHARACTERS] or OTHER


def kinds_of(questions: Sequence[str]) -> list[str]:
    """The kind of each question: singular and plural are one; beyond 30 kinds the rest is OTHER."""
    kinds = [kind_of(question) for question in questions]
    counts = Counter(kinds)
    singular = {kind: _plural(kind, counts) for kind in counts}
    kinds = [singular[kind] for kind in kinds]
    kept = {kind for kind, _ in Counter(kinds).most_common(_MOST_KINDS)}
    return [kind if kind in kept else OTHER for kind in kinds]


def _plural(kind: str, known: Counter[str]) -> str:
    """The plural of the kind where that occurs too, else the kind as it is."""
    plurals = (f"{kind}s", f"{kind}es", f"{kind.removesuffix('y')}ies")
    return next((plural for plural in plurals if plural in known), kind)
