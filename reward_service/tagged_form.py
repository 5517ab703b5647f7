"""The form of an answer that reasons first: words, then one <answer> or \\boxed, and no more."""

from reward_service.markup import ANSWER, BOXED, enclosed_part, without_markup
from reward_service.normal_text import normal_text


def is_tagged_form(answer: str) -> bool:
    """Whether words without a mark come first, then one that is closed, and no words behind it."""
    text = normal_text(answer).lower()
    enclosed = enclosed_part(text)
    if enclosed is None or not enclosed.is_closed:
        return False
    reasoning, rest = text[: enclosed.before], text[enclosed.after :]
    if ANSWER in reasoning or BOXED in reasoning:
        return False
    return any(map(str.isalpha, without_markup(reasoning))) and not any(
        map(str.isalnum, without_markup(rest))
    )
