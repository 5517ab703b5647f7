"""What a handler raises to refuse a request, and the body that the caller gets.

ApiError
├── Unauthorized    401   no token, or another one
├── Foreign         403   what another site's page asks for
├── Forbidden       403   what the token's role or owner does not fit
├── Missing         404
├── TooSlow         408   the body came slower than the limit
├── Conflict        409   not in this state
├── TooLarge        413   beyond a limit
├── Unprocessable   422   the caller must change the request
├── TooMany         429   too often; the header Retry-After says when again
└── Busy            503   try again; the header Retry-After says when
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from pydantic import BaseModel, Field

from tally.messages.languages import Language
from tally.messages.message import Message

MAX_PROBLEMS = 20
Parameters = dict[str, str | float]
_ROW = re.compile(r"row (\d+)")


def retry_after(seconds: int) -> Mapping[str, str]:
    return {"Retry-After": str(seconds)}


# Of every 503 and 504.
RETRY_AFTER = retry_after(2)


class Problem(NamedTuple):
    """Where something is wrong ("row 3", "images/x.png", a field), and what would be right."""

    where: str
    message: Message

    def in_its_place(self) -> Message:
        return Message("at", where=_place(self.where), message=self.message)


class ErrorItem(BaseModel):
    """One thing that is wrong."""

    where: str = Field(description="The field, row or entry.", examples=["row 3"])
    code: str = Field(
        description="What is wrong, for programs: it stays as it is in every release and language.",
        examples=["cell_empty"],
    )
    message: str = Field(
        description="What is wrong there, and what would be right.",
        examples=["the answer holds no number: write it as 'A photo of 3 apples'"],
    )
    parameters: Parameters = Field(
        description="The values that the message names.", examples=[{"column": "answer"}]
    )


class ErrorBody(BaseModel):
    """The body of every 4xx and 5xx, in the language of the header Content-Language."""

    detail: str = Field(
        description="One sentence: what is wrong and what would be right.",
        examples=["row 3: the answer holds no number: write it as 'A photo of 3 apples'"],
    )
    code: str = Field(
        description="What is wrong, for programs; where there are `errors`, that of the first.",
        examples=["cell_empty"],
    )
    parameters: Parameters = Field(
        description="The values that `detail` names, or the first of `errors`.",
        examples=[{"column": "answer"}],
    )
    errors: list[ErrorItem] = Field(description="The single faults, at most 20.")


class ApiError(Exception):
    status = 500
    headers: Mapping[str, str] = {}

    def __init__(
        self,
        message: Message,
        problems: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """The first of the problems says the message, where there are any."""
        super().__init__(message)
        self.message = message
        self.problems = tuple(problems)
        if headers is not None:
            self.headers = headers

    @classmethod
    def at(cls, where: str, message: Message, headers: Mapping[str, str] | None = None) -> Self:
        """A refusal for one thing that is wrong."""
        return cls(message, [Problem(where, message)], headers)

    def __str__(self) -> str:
        return str(_detail(self.message, self.problems))


class Unauthorized(ApiError):
    status = 401


class Foreign(ApiError):
    status = 403


class Forbidden(ApiError):
    status = 403


class Missing(ApiError):
    status = 404


class TooSlow(ApiError):
    status = 408


class Conflict(ApiError):
    status = 409


class TooLarge(ApiError):
    status = 413


class Unprocessable(ApiError):
    status = 422


class TooMany(ApiError):
    status = 429


class Busy(ApiError):
    status = 503
    headers = RETRY_AFTER


def refuse(problems: Sequence[Problem]) -> None:
    """Raises Unprocessable that names the first problem and counts the others, if there are any."""
    if problems:
        raise Unprocessable(problems[0].message, problems)


def error_body(
    message: Message, problems: Sequence[Problem] = (), language: Language = Language.ENGLISH
) -> dict[str, object]:
    """An ErrorBody as JSON."""
    listed = [
        {"where": where, "message": one.say(language), **_for_programs(one)}
        for where, one in problems[:MAX_PROBLEMS]
    ]
    detail = _detail(message, problems).say(language)
    return {"detail": detail, **_for_programs(message), "errors": listed}


def _for_programs(message: Message) -> dict[str, object]:
    return {"code": message.code, "parameters": message.parameters}


def _detail(message: Message, problems: Sequence[Problem]) -> Message:
    if not problems:
        return message
    first = problems[0].in_its_place()
    more = len(problems) - 1
    return Message("and_more", first=first, more=more) if more else first


def _place(where: str) -> str | Message:
    """A row as each language counts it; names of fields and entries stay as they are."""
    row = _ROW.fullmatch(where)
    return Message("row", number=row[1]) if row else where
