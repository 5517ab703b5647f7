"""Where a completion ends: at a token, or at a text that takes several."""

from collections.abc import Collection, Sequence
from typing import Any


class Ending:
    """`stop_ids` close a completion, and so does `closing_text`, however it is spelt in tokens.

    Where text before it shares a token with it, the ids of the text alone would not be found.
    """

    def __init__(self, stop_ids: Collection[int], closing_text: str, tokenizer: Any) -> None:
        self._stop_ids = frozenset(stop_ids)
        self._closing_text = closing_text
        self._tokenizer = tokenizer
        self._last_ids = _find_last_ids(closing_text, tokenizer) if closing_text else frozenset()

    def has_come(self, token_ids: Sequence[int]) -> bool:
        """Whether the last of `token_ids` closes them."""
        if not token_ids:
            return False
        if token_ids[-1] in self._stop_ids:
            return True
        return token_ids[-1] in self._last_ids and self._closes(token_ids)

    def _closes(self, token_ids: Sequence[int]) -> bool:
        # A token holds a character at least.
        tail = list(token_ids[-len(self._closing_text) :])
        text: str = self._tokenizer.decode(tail, clean_up_tokenization_spaces=False)
        return text.endswith(self._closing_text)


def _find_last_ids(closing_text: str, tokenizer: Any) -> frozenset[int]:
    """Tokens that may be the last of the text."""
    last = closing_text[-1]
    return frozenset(
        token_id for token, token_id in tokenizer.get_vocab().items() if token.endswith(last)
    )
