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

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from pydantic import BaseModel, Field

MAX_PROBLEMS = 20
# Of every 503 and 504.
RETRY_AFTER: Mapping[str, str] = {"Retry-After": "2"}


class Problem(NamedTuple):
    """Where something is wrong ("row 3", "images/x.png", a field), and what would be right."""

    where: str
    message: str


class ErrorItem(BaseModel):
    """One thing that is wrong."""

    where: str = Field(description="The field, row or entry.", examples=["row 3"])
    message: str = Field(
        description="What is wrong there, and what would be right.",
        examples=["the answer holds no number: write it as 'A photo of 3 apples'"],
    )


class ErrorBody(BaseModel):
    """The body of every 4xx and 5xx."""

    detail: str = Field(
        description="One sentence: what is wrong and what would be right.",
        examples=["row 3: the answer holds no number: write it as 'A photo of 3 apples'"],
    )
    errors: list[ErrorItem] = Field(description="The single faults, at most 20.")


class ApiError(Exception):
    status = 500
    headers: Mapping[str, str] = {}

    def __init__(
        self,
        detail: str,
        problems: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = tuple(problems)
        if headers is not None:
            self.headers = headers

    @classmethod
    def at(cls, where: str, message: str, headers: Mapping[str, str] | None = None) -> Self:
        """A refusal for one thing that is wrong."""
        return cls(f"{where}: {message}", [Problem(where, message)], headers)


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

    @classmethod
    def of(cls, what: str, wait_seconds: int) -> Self:
        """A refusal of `what` one sender sends too often."""
        message = f"too many {what} came from here; try again in {wait_seconds} s"
        return cls(message, headers={"Retry-After": str(wait_seconds)})


class Busy(ApiError):
    status = 503
    headers = RETRY_AFTER


def refuse(problems: Sequence[Problem]) -> None:
    """Raises Unprocessable that names the first problem and counts the others, if there are any."""
    if not problems:
        return
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise Unprocessable(f"{first.where}: {first.message}{more}", problems)


def error_body(detail: str, problems: Sequence[Problem] = ()) -> dict[str, object]:
    listed = [{"where": where, "message": message} for where, message in problems[:MAX_PROBLEMS]]
    return {"detail": detail, "errors": listed}
