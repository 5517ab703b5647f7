"""A message: its code and values, said in a language."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path

from tally.messages.languages import Language


class Message:
    """What is wrong, by a code that stays, and the values that its sentences name.

    A value that is a message itself is said in the same language.

    >>> Message("cell_empty", column="answer").say(Language.ENGLISH)
    'answer is empty'
    """

    def __init__(self, code: str, /, **values: "str | float | Message") -> None:
        self.code = code
        self._values = values

    @property
    def parameters(self) -> dict[str, str | float]:
        """The values by their names, as JSON has them; what is a message itself in English."""
        said = self._say_values(Language.ENGLISH)
        return {name: value if _is_plain(value) else str(value) for name, value in said.items()}

    def say(self, language: Language) -> str:
        return SENTENCES[language][self.code].format_map(self._say_values(language))

    def _say_values(self, language: Language) -> dict[str, str | float]:
        return {
            name: value.say(language) if isinstance(value, Message) else value
            for name, value in self._values.items()
        }

    def __str__(self) -> str:
        return self.say(Language.ENGLISH)


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _read_sentences(language: Language) -> Mapping[str, str]:
    text = Path(__file__).with_name(f"{language}.toml").read_text("utf-8")
    sentences: dict[str, str] = tomllib.loads(text)
    return sentences


# By language and code; a value's place in a sentence is its name in braces.
SENTENCES: Mapping[Language, Mapping[str, str]] = {
    language: _read_sentences(language) for language in Language
}
