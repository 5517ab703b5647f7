"""The form that answers are documented to have: "A photo of 3 apples"."""

import re
from collections.abc import Sequence

from reward_service.mention import Mention
from reward_service.normal_text import normal_text
from reward_service.reading import read_mentions

EXAMPLE = '"A photo of 3 apples"'

_FORM = re.compile(r"a\s{1,4}photo\s{1,4}of\s{1,4}", re.I)
_FORM_BEFORE = re.compile(rf"\b{_FORM.pattern}[*\"'(\[]{{0,3}}$", re.I)
_ARTICLE = re.compile(
    rf"\b{_FORM.pattern}an?\s{{1,4}}"
    r"(?!(?:few|lot|couple|pair|dozen|hundred|thousand|million|half|third|quarter)\b)"
    r"(?!(?:\w{1,30}\s){1,3}of\b)(?![^.\n]{0,200}\band\b)(?P<thing>[^\W\d_])",
    re.I,
)
_THINGS = re.compile(r"[ \t]*(?P<things>[^\n.!?。]{1,200})[.!。]?")
_WINDOW = 40
_MAX_FORM_CHARACTERS = 300


def mentions_in_form(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Those of `mentions` that follow "a photo of" directly, in any case."""
    return [mention for mention in mentions if _follows_form(text, mention)]


def has_article_form(text: str) -> bool:
    """Whether a normal text says "a photo of an apple"; not "a few" or "a group of"."""
    return _ARTICLE.search(text) is not None


def is_documented_form(answer: str) -> bool:
    """Whether the whole answer is "A photo of N things": one count, something counted, no more.

    N may be digits, a number word, Chinese numerals, "no", or "a" and "an" for 1.
    """
    if len(answer) > _MAX_FORM_CHARACTERS:
        return False
    text = normal_text(answer).strip()
    form, mentions = _FORM.match(text), read_mentions(text)
    if form is None or len(mentions) > 1:
        return False
    if not mentions:
        article = _ARTICLE.match(text)
        return article is not None and _is_things(text[article.start("thing") :])
    is_count = mentions[0].fault is None and mentions[0].start == form.end()
    return is_count and _is_things(text[mentions[0].end :])


def _follows_form(text: str, mention: Mention) -> bool:
    before = text[max(0, mention.start - _WINDOW) : mention.start]
    return _FORM_BEFORE.search(before) is not None


def _is_things(rest: str) -> bool:
    match = _THINGS.fullmatch(rest)
    return match is not None and any(character.isalpha() for character in match["things"])
