"""Every failure as an HTTP answer: one table from gRPC status, and the handlers that use it."""

import logging
import uuid
from typing import Any

import grpc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway.errors import MAX_PROBLEMS, RETRY_AFTER, ApiError, Problem, error_body
from tally.database.errors import AWAY
from tally.host.full_disk import is_full_disk
from tally.rpc.errors import TallyError, status_of

_log = logging.getLogger(__name__)
_WHERE_CHARACTERS = 200

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
_DETAIL_BY_STATUS = {
    404: "there is nothing at this address; /docs lists what there is",
    405: "this address does not take that method; /docs lists what there is",
}


def add_error_handlers(app: FastAPI) -> None:
    app.exception_handler(RequestValidationError)(_on_invalid_request)
    app.exception_handler(ApiError)(_on_refusal)
    app.exception_handler(HTTPException)(_on_http_error)
    app.exception_handler(TallyError)(_on_service_error)
    for kind in AWAY:
        app.exception_handler(kind)(_on_database_error)
    app.exception_handler(OSError)(_on_os_error)


def refusal_response(error: ApiError) -> JSONResponse:
    return JSONResponse(error_body(error.detail, error.problems), error.status, error.headers)


def failure(status: int, what: str, error: BaseException) -> JSONResponse:
    """A 5xx whose id is in the log beside the error, and nothing of the error itself."""
    error_id = uuid.uuid4().hex[:12]
    _log.error("error id %s: %s", error_id, what, exc_info=error)
    headers = RETRY_AFTER if status in (503, 504) else None
    body = error_body(f"{what}; its id in the log is {error_id}")
    return JSONResponse(body, status, headers)


def unexpected_failure(error: BaseException) -> JSONResponse:
    return failure(500, "something failed on this side", error)


def _problem(item: dict[str, Any]) -> Problem:
    where = ".".join(str(part) for part in item["loc"][1:])
    kind, message = item["type"], str(item["msg"])
    if kind == "extra_forbidden":
        message = "there is no such field; leave it out"
    elif kind == "value_error":
        message = str(item["ctx"]["error"])
    elif kind == "model_attributes_type" and where:
        message = "is not an object; write it as {…}"
    elif kind == "json_invalid":
        message = f"is not JSON from character {where} on; check quotes, commas and brackets"
        where = "body"
    elif not where and kind in ("missing", "model_attributes_type"):
        message = "send a JSON object, with the header 'Content-Type: application/json'"
    return Problem(where[:_WHERE_CHARACTERS] or "body", message)


def _on_invalid_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    problems = [_problem(item) for item in error.errors()[:MAX_PROBLEMS]]
    detail = f"{problems[0].where}: {problems[0].message}"
    return JSONResponse(error_body(detail, problems), 422)


def _on_refusal(_request: Request, error: ApiError) -> JSONResponse:
    return refusal_response(error)


def _on_http_error(request: Request, error: HTTPException) -> JSONResponse:
    if isinstance(error.__cause__, ApiError):  # FastAPI wraps what it meets in a body
        return refusal_response(error.__cause__)
    if error.status_code == 400:  # FastAPI's own: a body that is not JSON at all
        problem = Problem("body", "cannot be read; send JSON in UTF-8")
        return JSONResponse(error_body(f"body: {problem.message}", [problem]), 422)
    detail = _DETAIL_BY_STATUS.get(error.status_code, str(error.detail))
    headers = _allowed_methods(request) if error.status_code == 405 else error.headers
    return JSONResponse(error_body(detail), error.status_code, headers)


def _allowed_methods(request: Request) -> dict[str, str]:
    """Of every route of this address; Starlette names those of the first."""
    path = request.scope["path"]
    routes = (route for route in request.app.state.routes if route.path_regex.match(path))
    methods = {method for route in routes for method in route.methods}
    return {"Allow": ", ".join(sorted(methods or {"GET"}))}


def _on_service_error(_request: Request, error: TallyError) -> JSONResponse:
    """A refusal keeps its words; what broke on the way may hold an address and does not."""
    status = HTTP_BY_GRPC[status_of(error)]
    if status < 500:
        return JSONResponse(error_body(str(error)), status)
    return failure(status, "a service behind this one did not answer; try again", error)


def _on_database_error(_request: Request, error: Exception) -> JSONResponse:
    if is_full_disk(error):
        return failure(507, "there is no room left; try again later", error)
    return failure(503, "the database is busy or away; try again", error)


def _on_os_error(_request: Request, error: OSError) -> JSONResponse:
    if is_full_disk(error):
        return failure(507, "there is no room left; try again later", error)
    return unexpected_failure(error)
