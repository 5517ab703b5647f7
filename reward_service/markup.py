"""Answers as they are shown: without tags, emphasis and what is struck out; its marked part."""

import re
from typing import NamedTuple

_STRUCK = re.compile(r"~~[^~\n]{1,80}~~|<(s|del|strike)>[^<>\n]{1,80}</\1>")
_TAG = re.compile(r"</?[a-z][^<>\n]{0,60}>")
_UNDERSCORES = re.compile(r"(?<!\w)_{1,3}(?=[^\s_])(?P<inner>[^_\n]{1,80})_{1,3}(?!\w)")
_DOLLARS = re.compile(r"\$\$?(?P<inner>[^$\n]{1,80})\$\$?(?![0-9])")
_THOUGHT_ENDS = ("</think>", "</thinking>", "</reasoning>", "</thought>")
ANSWER, BOXED = "<answer>", "\\boxed{"
_ANSWER_END, _MAX_BOXED = "</answer>", 200
_BRACE = re.compile(r"[{}]")


class Enclosed(NamedTuple):
    """Where a mark begins, the part within it begins and ends, and the text goes on behind it."""

    before: int
    start: int
    end: int
    after: int

    @property
    def is_closed(self) -> bool:
        return self.after > self.end


def marked_part(text: str) -> tuple[int, int] | None:
    """Where a text in lower case says that its answer stands: the last <answer> or \\boxed.

    Else what follows the last </think>. None where nothing is marked, or nothing stands there.
    """
    if enclosed := enclosed_part(text):
        return enclosed.start, enclosed.end
    if "<" not in text:
        return None
    start, end = _find_after_thought(text)
    return (start, end) if 0 <= start < end and text[start:end].strip() else None


def enclosed_part(text: str) -> Enclosed | None:
    """The last <answer> of a text in lower case, else the last \\boxed, that holds something."""
    if "<" not in text and "\\" not in text:
        return None
    found = (_find_tag(text), _find_box(text))
    return next((one for one in found if one and text[one.start : one.end].strip()), None)


def _find_tag(text: str) -> Enclosed | None:
    before = text.rfind(ANSWER)
    if before < 0:
        return None
    start = before + len(ANSWER)
    end = text.find(_ANSWER_END, start)
    if end < 0:
        return Enclosed(before, start, len(text), len(text))
    return Enclosed(before, start, end, end + len(_ANSWER_END))


def _find_box(text: str) -> Enclosed | None:
    before = text.rfind(BOXED)
    if before < 0:
        return None
    start = before + len(BOXED)
    end, depth = min(len(text), start + _MAX_BOXED), 1
    for match in _BRACE.finditer(text, start, end):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return Enclosed(before, start, match.start(), match.end())
    return Enclosed(before, start, end, end)


def _find_after_thought(text: str) -> tuple[int, int]:
    ends = [place + len(tag) for tag in _THOUGHT_ENDS if (place := text.rfind(tag)) >= 0]
    return (max(ends), len(text)) if ends else (-1, -1)


def without_markup(text: str) -> str:
    """The text with blanks for tags, emphasis by underscores and what is struck out: as long."""
    if "<" in text or "~~" in text:
        text = _TAG.sub(_blank, _STRUCK.sub(_blank, text))
    if "_" in text:
        text = _UNDERSCORES.sub(_blank_around, text)
    if text.count("$") > 1:
        text = _DOLLARS.sub(_blank_around_formula, text)
    return text


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _blank_around(match: re.Match[str]) -> str:
    before = match.start("inner") - match.start()
    after = match.end() - match.end("inner")
    return f"{' ' * before}{match['inner']}{' ' * after}"


def _blank_around_formula(match: re.Match[str]) -> str:
    inner = match["inner"]
    is_money = inner != inner.strip()  # "$5 and $6"
    return match.group() if is_money else _blank_around(match)
