"""A greedy answer → the answers that hold each count: what stands around its count stays. Pure.

The tokens of each are those that the tokenizer makes of its text, and what ended the answer ends
them all; so each is one that the policy may say, and no two are the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tally.messages.message import Message

# An answer that is longer, or says more before its count, reasons: what it says next follows from
# its reasons, so that another count in their place is none that the policy would give.
MOST_TOKENS = 32
_MOST_TOKENS_BEFORE = 16

EncodeTexts = Callable[[Sequence[str]], Sequence[Sequence[int]]]


class NoCountForm(Exception):
    """No other count can be written into an answer; the message says why."""

    def __init__(self, message: Message) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An answer as its tokens and its text, and from which character to which its count stands."""

    token_ids: tuple[int, ...]
    text: str
    span: tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class WrittenCounts:
    """The answers that hold 0, 1, 2 …: their texts, and their tokens with those that end them."""

    texts: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...]


def write_counts(
    answered: Answered, last_count: int, max_new_tokens: int, encode: EncodeTexts
) -> WrittenCounts:
    """Writes 0 to `last_count` into the place of the count; raises NoCountForm.

    Without those that are longer than a completion may be: the policy never ends them.

    Example:
        >>> answered = Answered(token_ids=(65, 51, 0), text="A3", span=(1, 2))
        >>> write_counts(answered, 2, 8, lambda texts: [list(map(ord, text)) for text in texts])
        WrittenCounts(texts=('A0', 'A1', 'A2'), token_ids=((65, 48, 0), (65, 49, 0), (65, 50, 0)))
    """
    before, after = _around(answered)
    texts = [f"{before}{count}{after}" for count in range(last_count + 1)]
    own, beginning, *encoded = encode([answered.text, before, *texts])
    closing = answered.token_ids[len(own) :]
    if answered.token_ids[: len(own)] != tuple(own):
        raise NoCountForm(Message("form_of_other_tokens"))
    if not closing:
        raise NoCountForm(Message("form_without_end", most=max_new_tokens))
    if len(answered.token_ids) > MOST_TOKENS or len(beginning) > _MOST_TOKENS_BEFORE:
        raise NoCountForm(
            Message(
                "form_that_reasons",
                tokens=len(answered.token_ids),
                before=len(beginning),
                most=MOST_TOKENS,
                most_before=_MOST_TOKENS_BEFORE,
            )
        )
    written = [
        (text, (*ids, *closing))
        for text, ids in zip(texts, encoded, strict=True)
        if len(ids) + len(closing) <= max_new_tokens
    ]
    return WrittenCounts(
        texts=tuple(text for text, _ in written), token_ids=tuple(ids for _, ids in written)
    )


def _around(answered: Answered) -> tuple[str, str]:
    if answered.span is None:
        raise NoCountForm(Message("form_without_place"))
    start, end = answered.span
    written = answered.text[start:end]
    if not (written.isascii() and written.isdigit()):
        raise NoCountForm(Message("form_without_digits"))
    return answered.text[:start], answered.text[end:]
