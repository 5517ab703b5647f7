"""A message: its code and values, said in a language."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeAlias

from tally.messages.languages import Language

Value: TypeAlias = "str | float | Message"


class Message:
    """What is wrong, by a code that stays, and the values that its sentences name.

    A value that is a message itself is said in the same language.

    >>> Message("cell_empty", column="answer").say(Language.ENGLISH)
    'answer is empty'
    """

    def __init__(self, code: str, /, **values: Value) -> None:
        self.code = code
        self.values = values

    @property
    def is_known(self) -> bool:
        """False where a sentence of this code is missing, or names what is not among the values."""
        try:
            return all(self.say(language) for language in Language)
        except (KeyError, OverflowError, TypeError, ValueError):
            return False

    @property
    def parameters(self) -> dict[str, str | float]:
        """The values by their names, as JSON has them; what is a message itself in English."""
        said = self._say_values(Language.ENGLISH)
        return {name: _as_plain(value) for name, value in said.items()}

    def as_json(self) -> dict[str, Any]:
        """Of which `of_json` makes it again."""
        values = {
            name: value.as_json() if isinstance(value, Message) else _as_plain(value)
            for name, value in self.values.items()
        }
        return {"code": self.code, "values": values}

    @classmethod
    def of_json(cls, fields: Mapping[str, Any]) -> Self:
        values = {
            name: cls.of_json(value) if isinstance(value, Mapping) else value
            for name, value in fields["values"].items()
        }
        return cls(fields["code"], **values)

    def say(self, language: Language) -> str:
        return SENTENCES[language][self.code].format_map(self._say_values(language))

    def _say_values(self, language: Language) -> dict[str, str | float]:
        return {
            name: value.say(language) if isinstance(value, Message) else value
            for name, value in self.values.items()
        }

    def __str__(self) -> str:
        return self.say(Language.ENGLISH)


def known_message(fields: Mapping[str, Any] | None, english: str) -> Message:
    """Of JSON that `as_json` made; where there is none, or its code, or what the code names, is of
    another release, the `english` sentence that stands beside it."""
    message = Message.of_json(fields) if fields else None
    if message is None or not message.is_known:
        return Message("in_english", explanation=english)
    return message


def _as_plain(value: Value) -> str | float:
    """As JSON has it, which knows no NaN and no infinity."""
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


def _read_sentences(language: Language) -> Mapping[str, str]:
    text = Path(__file__).with_name(f"{language}.toml").read_text("utf-8")
    sentences: dict[str, str] = tomllib.loads(text)
    return sentences


# By language and code; a value's place in a sentence is its name in braces.
SENTENCES: Mapping[Language, Mapping[str, str]] = {
    language: _read_sentences(language) for language in Language
}
