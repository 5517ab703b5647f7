"""The language that a client reads, by its Accept-Language (RFC 9110, 12.5.4)."""

import re

from starlette.datastructures import Headers

from tally.messages.languages import Language

_MOST_RANGES = 50
_RANGE = re.compile(
    r"\s*([a-z]{1,8}(?:-[a-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)
# Regions that write Chinese in the other script.
_SIMPLIFIED = frozenset({"hans", "cn", "sg", "my"})


def language_of(headers: Headers) -> Language:
    return choose_language(",".join(headers.getlist("accept-language")))


def about_language(language: Language) -> dict[str, str]:
    """The headers of an answer in it."""
    return {"Content-Language": language, "Vary": "Accept-Language"}


def choose_language(accepted: str) -> Language:
    """What the header Accept-Language wants most; English where it wants neither.

    >>> choose_language("ja, zh-Hant-HK;q=0.8, en;q=0.7")
    <Language.CHINESE: 'zh-TW'>
    >>> choose_language("zh;q=0, *")
    <Language.ENGLISH: 'en'>
    """
    best, best_quality = Language.ENGLISH, 0.0
    for part in accepted.lower().split(",")[:_MOST_RANGES]:
        found = _RANGE.fullmatch(part)
        language = _by_tag(found[1]) if found else None
        quality = float(found[2] or 1) if found else 0.0
        if language is not None and quality > best_quality:
            best, best_quality = language, quality
    return best


def _by_tag(tag: str) -> Language | None:
    first, *others = tag.split("-")
    if first == Language.ENGLISH:
        return Language.ENGLISH
    if first == "zh" and ("hant" in others or not _SIMPLIFIED.intersection(others)):
        return Language.CHINESE
    return None
