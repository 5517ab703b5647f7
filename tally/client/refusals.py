"""What the gateway answers where it refuses, as an exception."""

from typing import Any

import httpx

from tally.client.errors import Fault, RequestRefused, TokenRefused
from tally.text.sinks import to_line


def to_refusal(response: httpx.Response, url: str) -> RequestRefused:
    """Of an answer that has been read and is none of success."""
    body = _read_body(response)
    kind, message = RequestRefused, _message(response, body)
    if response.status_code == httpx.codes.UNAUTHORIZED:
        showed_one = "authorization" in response.request.headers
        what = "takes another token" if showed_one else "asks for a token"
        kind, message = TokenRefused, f"The gateway at {url} {what}."
    return kind(
        response.status_code,
        message,
        code=str(body.get("code", "")),
        parameters=body.get("parameters"),
        faults=_faults(body),
    )


def _read_body(response: httpx.Response) -> dict[str, Any]:
    """Empty where it is none of a gateway's."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) and "detail" in body else {}


def _message(response: httpx.Response, body: dict[str, Any]) -> str:
    """The server's `detail`, and a line for each of its faults, unless that says the same."""
    if not body:
        return f"The gateway answered {response.status_code} {response.reason_phrase}."
    detail = to_line(str(body["detail"]))
    lines = [(to_line(fault.where), to_line(fault.message)) for fault in _faults(body)]
    if len(lines) == 1 and lines[0][1] in detail:
        return detail
    return "\n".join([detail, *(f"  {where}: {message}" for where, message in lines)])


def _faults(body: dict[str, Any]) -> list[Fault]:
    listed = body.get("errors")
    return [
        Fault(
            where=str(one.get("where", "")),
            code=str(one.get("code", "")),
            message=str(one.get("message", "")),
            parameters=one.get("parameters") or {},
        )
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    ]
