"""What a call of the gateway may raise.

ClientError
├── GatewayUnreachable   nothing answers in time, or the connection broke
│   └── NothingListens   nothing takes connections there
├── RequestRefused       the gateway answered with an error
│   └── TokenRefused     401: it asks for a token, or for another one
└── OtherDownload        what was downloaded in part is of another result
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class ClientError(Exception):
    """Its message is for a person."""


class GatewayUnreachable(ClientError):
    pass


class NothingListens(GatewayUnreachable):
    pass


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong: where (a field, a row, an entry of a ZIP), and what, by its code."""

    where: str
    code: str
    message: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


class RequestRefused(ClientError):
    """`code` stays what it is in every release and language; docs/errors.md lists them.

    `parameters` are the values that the sentence names, `faults` the single ones, where there are
    any. A server that is no gateway has neither.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        parameters: Mapping[str, Any] | None = None,
        faults: Sequence[Fault] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.parameters = parameters or {}
        self.faults = tuple(faults)


class TokenRefused(RequestRefused):
    pass


class OtherDownload(ClientError):
    pass
