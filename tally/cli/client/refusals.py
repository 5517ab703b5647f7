"""What the gateway refuses, as a terminal shows it."""

import httpx

from tally.text.sinks import to_line


def refusal_text(response: httpx.Response) -> str:
    """The server's `detail` and one line for each of its `errors`, unless that says the same."""
    try:
        answer = response.json()
        detail = to_line(str(answer["detail"]))
        errors = answer.get("errors") or []
        faults = [(to_line(str(e["where"])), to_line(str(e["message"]))) for e in errors]
    except (ValueError, KeyError, TypeError):
        return f"The gateway answered {response.status_code} {response.reason_phrase}."
    if len(faults) == 1 and faults[0][1] in detail:
        return detail
    return "\n".join([detail, *(f"  {where}: {message}" for where, message in faults)])
