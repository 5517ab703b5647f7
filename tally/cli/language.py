"""The language of whoever sits at the terminal, by their locale."""

import re
from collections.abc import Mapping

_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
_LOCALE = re.compile(r"([a-z]{2,3}(?:_[A-Za-z0-9]{2,8})*)(?:\.[^@]*)?(?:@.*)?")


def preferred_language(environment: Mapping[str, str]) -> str | None:
    """As the header Accept-Language has it; None where the locale names no language.

    >>> preferred_language({"LANG": "zh_TW.UTF-8"})
    'zh-TW'
    """
    locale = next(filter(None, map(environment.get, _VARIABLES)), "")
    found = _LOCALE.fullmatch(locale)
    return found[1].replace("_", "-") if found else None
