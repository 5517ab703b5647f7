"""The form that answers are documented to have: "A photo of 3 apples"."""

import re
from collections import deque
from collections.abc import Sequence

from reward_service.clues import find_clues
from reward_service.mention import Mention
from reward_service.normal_text import normal_text
from reward_service.reading import read_evidence

EXAMPLE = '"A photo of 3 apples"'

_FORM = re.compile(r"\ba\s{1,4}photo\s{1,4}of\s{1,4}")
_FORM_BEFORE = re.compile(rf"{_FORM.pattern}[*\"'(\[]{{0,3}}$")
_ARTICLE = re.compile(
    rf"{_FORM.pattern}an?\s{{1,4}}"
    r"(?!(?:few|lot|couple|pair|dozen|hundred|thousand|million|half|third|quarter)\b)"
    r"(?!(?:\w{1,30}\s){1,3}of\b)(?![^.\n]{0,200}\band\b)(?P<thing>[^\W\d_])"
)
_THINGS = re.compile(r"[ \t]*(?P<things>[^\n.!?。]{1,200})[.!。]?")
_WINDOW = 40
_MAX_FORM_CHARACTERS = 300
_MOST_FORMS = 4


def mentions_in_form(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Those of `mentions` that follow "a photo of" directly."""
    if "photo" not in text:
        return []
    return [mention for mention in mentions if _follows_form(text, mention)]


def find_last_forms(text: str) -> tuple[str, Sequence[Mention]]:
    """The last places of a long text that have the form, a line each, and the mentions in it."""
    if "photo" not in text:
        return "", []
    forms = deque(_FORM.finditer(text), maxlen=_MOST_FORMS)
    lines = "\n".join(_line(text, form.start(), form.end()) for form in forms)
    return lines, mentions_in_form(lines, _read_mentions(lines))


def _line(text: str, start: int, end: int) -> str:
    """The form on a line of its own, and what stands right after it."""
    return " ".join(text[start:end].split()) + " " + text[end : end + _WINDOW].partition("\n")[0]


def has_article_form(text: str) -> bool:
    """Whether a text in lower case says "a photo of an apple"; not "a few" or "a group of"."""
    return "photo" in text and _ARTICLE.search(text) is not None


def is_documented_form(answer: str) -> bool:
    """Whether the whole answer is "A photo of N things": one count, something counted, no more.

    N may be digits, a number word, Chinese numerals, "no", or "a" and "an" for 1.
    """
    if len(answer) > _MAX_FORM_CHARACTERS:
        return False
    text = normal_text(answer).strip().lower()
    form = _FORM.match(text)
    mentions = _read_mentions(text) if form else []
    if form is None or len(mentions) > 1:
        return False
    if not mentions:
        article = _ARTICLE.match(text)
        return article is not None and _is_things(text[article.start("thing") :])
    is_count = mentions[0].fault is None and mentions[0].start == form.end()
    return is_count and _is_things(text[mentions[0].end :])


def _read_mentions(text: str) -> Sequence[Mention]:
    """Every number of a normal text in lower case that may be a count, in order."""
    clues, is_all = find_clues(text)
    return read_evidence(text, clues, is_all=is_all).mentions


def _follows_form(text: str, mention: Mention) -> bool:
    before = text[max(0, mention.start - _WINDOW) : mention.start]
    return before.rstrip(" \t\n*\"'([").endswith("of") and _FORM_BEFORE.search(before) is not None


def _is_things(rest: str) -> bool:
    match = _THINGS.fullmatch(rest)
    return match is not None and any(character.isalpha() for character in match["things"])
