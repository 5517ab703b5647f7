"""Every failure as an HTTP answer: one table from gRPC status, and the handlers that use it."""

import logging
import uuid
from collections.abc import Mapping, Sequence

import grpc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Scope

from gateway.errors import (
    RETRY_AFTER,
    ApiError,
    Problem,
    Unprocessable,
    error_body,
)
from gateway.http.accept_language import about_language, language_of
from gateway.invalid_fields import problem_of
from tally.database.errors import AWAY
from tally.host.full_disk import is_full_disk
from tally.messages.message import Message
from tally.messages.service_errors import quote_service
from tally.rpc.errors import TallyError, status_of
from tally.traces.spans import record_error

_log = logging.getLogger(__name__)

HTTP_BY_GRPC: dict[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 422,
    grpc.StatusCode.OUT_OF_RANGE: 422,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 503,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.DATA_LOSS: 502,
    grpc.StatusCode.UNAUTHENTICATED: 502,
    grpc.StatusCode.INTERNAL: 502,
}
_MESSAGES = {404: Message("no_such_address"), 405: Message("method_not_taken")}


def add_error_handlers(app: FastAPI) -> None:
    app.exception_handler(RequestValidationError)(_on_invalid_request)
    app.exception_handler(ApiError)(_on_refusal)
    app.exception_handler(HTTPException)(_on_http_error)
    app.exception_handler(TallyError)(_on_service_error)
    for kind in AWAY:
        app.exception_handler(kind)(_on_database_error)
    app.exception_handler(OSError)(_on_os_error)


def refusal_response(scope: Scope, error: ApiError) -> JSONResponse:
    """In the language that the headers of the request ask for; `state.refusal` keeps its code."""
    scope["state"]["refusal"] = error.message.code
    asked = Headers(scope=scope)
    return _answer(asked, error.status, error.message, error.problems, error.headers)


def unexpected_failure(asked: Headers, error: BaseException) -> JSONResponse:
    return _answer(asked, 500, Message("failure", error_id=_log_failure(error)))


def _answer(
    asked: Headers,
    status: int,
    message: Message,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    language = language_of(asked)
    body = error_body(message, problems, language)
    return JSONResponse(body, status, {**about_language(language), **(headers or {})})


def _log_failure(error: BaseException) -> str:
    """The id in the log beside the error, of which nothing is shown."""
    error_id = uuid.uuid4().hex[:12]
    record_error(error)
    _log.error("error id %s", error_id, exc_info=error)
    return error_id


def _on_invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
    problems = [problem_of(item) for item in error.errors()]
    return _answer(request.headers, 422, problems[0].message, problems)


def _on_refusal(request: Request, error: ApiError) -> JSONResponse:
    return refusal_response(request.scope, error)


def _on_http_error(request: Request, error: HTTPException) -> JSONResponse:
    if isinstance(error.__cause__, ApiError):  # FastAPI wraps what it meets in a body
        return refusal_response(request.scope, error.__cause__)
    if error.status_code == 400:  # FastAPI's own: a body that is not JSON at all
        return refusal_response(request.scope, Unprocessable.at("body", Message("body_unreadable")))
    message = _MESSAGES.get(error.status_code) or Message(
        "request_refused", explanation=str(error.detail)
    )
    headers = _allowed_methods(request) if error.status_code == 405 else error.headers
    return _answer(request.headers, error.status_code, message, headers=headers)


def _allowed_methods(request: Request) -> dict[str, str]:
    """Of every route of this address; Starlette names those of the first."""
    path = request.scope["path"]
    routes = (route for route in request.app.state.routes if route.path_regex.match(path))
    methods = {method for route in routes for method in route.methods} or {"GET"}
    if "GET" in methods:
        methods.add("HEAD")
    return {"Allow": ", ".join(sorted(methods))}


def _on_service_error(request: Request, error: TallyError) -> JSONResponse:
    """A refusal keeps its words; what broke on the way may hold an address and does not."""
    status = HTTP_BY_GRPC[status_of(error)]
    if status < 500:
        return _answer(request.headers, status, quote_service(error))
    message = Message("service_away", error_id=_log_failure(error))
    headers = RETRY_AFTER if status in (503, 504) else None
    return _answer(request.headers, status, message, headers=headers)


def _on_database_error(request: Request, error: Exception) -> JSONResponse:
    if is_full_disk(error):
        return _full_disk(request, error)
    message = Message("database_away", error_id=_log_failure(error))
    return _answer(request.headers, 503, message, headers=RETRY_AFTER)


def _on_os_error(request: Request, error: OSError) -> JSONResponse:
    if is_full_disk(error):
        return _full_disk(request, error)
    return unexpected_failure(request.headers, error)


def _full_disk(request: Request, error: Exception) -> JSONResponse:
    return _answer(request.headers, 507, Message("disk_full", error_id=_log_failure(error)))
