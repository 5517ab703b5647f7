"""Answers as they are shown: without tags, emphasis and what is struck out; its marked part."""

import re

_STRUCK = re.compile(r"~~[^~\n]{1,80}~~|<(s|del|strike)>[^<>\n]{1,80}</\1>")
_TAG = re.compile(r"</?[a-z][^<>\n]{0,60}>")
_UNDERSCORES = re.compile(r"(?<!\w)_{1,3}(?=[^\s_])(?P<inner>[^_\n]{1,80})_{1,3}(?!\w)")
_DOLLARS = re.compile(r"\$\$?(?P<inner>[^$\n]{1,80})\$\$?(?![0-9])")
_THOUGHT_ENDS = ("</think>", "</thinking>", "</reasoning>", "</thought>")
_ANSWER, _ANSWER_END = "<answer>", "</answer>"
_BOXED, _MAX_BOXED = "\\boxed{", 200
_BRACE = re.compile(r"[{}]")


def marked_part(text: str) -> tuple[int, int] | None:
    """Where a text in lower case says that its answer stands: the last <answer> or \\boxed.

    Else what follows the last </think>. None where nothing is marked, or nothing stands there.
    """
    if "<" not in text and "\\" not in text:
        return None
    for start, end in (_find_tag(text), _find_box(text), _find_after_thought(text)):
        if 0 <= start < end and text[start:end].strip():
            return start, end
    return None


def _find_tag(text: str) -> tuple[int, int]:
    start = text.rfind(_ANSWER)
    if start < 0:
        return -1, -1
    end = text.find(_ANSWER_END, start)
    return start + len(_ANSWER), end if end >= 0 else len(text)


def _find_box(text: str) -> tuple[int, int]:
    start = text.rfind(_BOXED)
    if start < 0:
        return -1, -1
    begin = start + len(_BOXED)
    end, depth = min(len(text), begin + _MAX_BOXED), 1
    for match in _BRACE.finditer(text, begin, end):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return begin, match.start()
    return begin, end


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
