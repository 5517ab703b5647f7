"""The exceptions that cross a gRPC boundary, and the one table between them and its statuses.

    TallyError
    ├── InvalidArgument      INVALID_ARGUMENT      the caller must change the request
    ├── NotFound             NOT_FOUND
    ├── AlreadyExists        ALREADY_EXISTS
    ├── FailedPrecondition   FAILED_PRECONDITION   the caller must change something else first
    ├── OutOfRange           OUT_OF_RANGE
    ├── DataLoss             DATA_LOSS             bytes were lost or changed on the way
    ├── ResourceExhausted    RESOURCE_EXHAUSTED    back off, then retry
    ├── Unavailable          UNAVAILABLE           retry
    ├── DeadlineExceeded     DEADLINE_EXCEEDED
    ├── Unauthenticated      UNAUTHENTICATED
    └── Internal             INTERNAL              ours; carries an id that is in the log

A service's own exceptions are subclasses of these. The name of an exception's class travels beside
its status, as the code `unknown_model` of UnknownModel.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

CODE_KEY = "tally-code"
_WORD_STARTS = re.compile(r"(?<!^)(?=[A-Z])")


class TallyError(Exception):
    """An error with a message that may be shown to the caller: no path, address or traceback.

    `code` is what the server called it, of one that came over gRPC.
    """

    code: str | None = None


class InvalidArgument(TallyError):
    pass


class NotFound(TallyError):
    pass


class AlreadyExists(TallyError):
    pass


class FailedPrecondition(TallyError):
    pass


class OutOfRange(TallyError):
    pass


class DataLoss(TallyError):
    pass


class ResourceExhausted(TallyError):
    pass


class Unavailable(TallyError):
    pass


class DeadlineExceeded(TallyError):
    pass


class Unauthenticated(TallyError):
    pass


class Internal(TallyError):
    pass


STATUS_BY_ERROR: dict[type[TallyError], grpc.StatusCode] = {
    InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    DataLoss: grpc.StatusCode.DATA_LOSS,
    ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Internal: grpc.StatusCode.INTERNAL,
}
_ERROR_BY_STATUS = {status: error for error, status in STATUS_BY_ERROR.items()}


def status_of(error: TallyError) -> grpc.StatusCode:
    """The status of the nearest class of the table that `error` is an instance of."""
    for cls in type(error).__mro__:
        if cls in STATUS_BY_ERROR:
            return STATUS_BY_ERROR[cls]
    return grpc.StatusCode.INTERNAL


def code_of(error: TallyError) -> str:
    """What programs call it.

    >>> code_of(NotFound("no such job"))
    'not_found'
    """
    return error.code or _WORD_STARTS.sub("_", type(error).__name__).lower()


def error_of(rpc_error: grpc.aio.AioRpcError) -> TallyError:
    """The exception that the server raised, or the nearest one."""
    cls = _ERROR_BY_STATUS.get(rpc_error.code(), Internal)
    error = cls(rpc_error.details() or rpc_error.code().name)
    code = dict(rpc_error.trailing_metadata() or ()).get(CODE_KEY)
    error.code = code if isinstance(code, str) else None
    return error


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Within it, a failed call raises an exception of this module instead of grpc's own."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise error_of(error) from error
