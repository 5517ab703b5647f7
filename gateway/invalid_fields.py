"""What pydantic finds wrong with a body, a form or a query, as problems."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import Problem
from tally.messages.languages import Language
from tally.messages.message import SENTENCES, Message

_MOST_CHARACTERS_OF_WHERE = 200
_OWN_CODES = {
    "extra_forbidden": "unknown_field",
    "model_attributes_type": "no_object",
    "model_type": "no_object",
}


class BadValue(ValueError):
    """What a validator of ours raises."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


def message_of(item: Mapping[str, Any]) -> Message:
    """One of the errors of a ValidationError; its code is pydantic's type, or one of our own."""
    code = _OWN_CODES.get(item["type"], item["type"])
    values = item.get("ctx", {})
    if isinstance(error := values.get("error"), BadValue):
        return error.message
    if code in SENTENCES[Language.ENGLISH]:
        return Message(code, **{name: _as_pydantic_writes(value) for name, value in values.items()})
    return Message("invalid_value", explanation=str(error or item["msg"]))


def _as_pydantic_writes(value: Any) -> Any:
    """1 for 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def problem_of(item: Mapping[str, Any]) -> Problem:
    """One of the errors that FastAPI finds in a request."""
    where = ".".join(str(part) for part in item["loc"][1:])
    if item["type"] == "json_invalid":
        return Problem("body", Message("json_invalid", position=where))
    if not where and item["type"] in ("missing", "model_attributes_type"):
        return Problem("body", Message("body_no_object"))
    return Problem(where[:_MOST_CHARACTERS_OF_WHERE] or "body", message_of(item))
