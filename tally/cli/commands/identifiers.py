"""What a person calls a job, an upload or a comparison → its id: its beginning, or a name."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tally.cli.answers import contents_of
from tally.cli.errors import CliError
from tally.client import Client

_WHOLE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_LISTED = 10


class _Thing(NamedTuple):
    """What may be meant, and how it is told from others."""

    id: str
    name: str
    about: str


def job_id_of(client: Client, text: str) -> str:
    """Of a job, or else of a comparison or a prediction. Raises CliError that lists those that may
    be meant; what nothing is called is left for the gateway to refuse."""
    if _WHOLE_ID.fullmatch(text):
        return text
    jobs = (
        _Thing(job["job_id"], job["job_name"], f"{job['status']}, {job['created_at']}")
        for job in client.jobs()
    )
    found = _find("job", text, jobs)
    return found or prediction_id_of(client, comparison_id_of(client, text))


def comparison_id_of(client: Client, text: str) -> str:
    """As `job_id_of`; a comparison has no name."""
    if _WHOLE_ID.fullmatch(text):
        return text
    comparisons = (
        _Thing(one["evaluation_id"], "", f"{one['status']}, {one['created_at']}")
        for one in client.comparisons()
    )
    return _find("comparison", text, comparisons) or text


def prediction_id_of(client: Client, text: str) -> str:
    """As `job_id_of`; its name is that of its ZIP."""
    if _WHOLE_ID.fullmatch(text):
        return text
    predictions = (
        _Thing(one["prediction_id"], one["name"], f"{one['status']}, {one['created_at']}")
        for one in client.predictions()
    )
    return _find("prediction", text, predictions) or text


def uploaded_id_of(client: Client, text: str) -> str:
    """As `job_id_of`, of an upload."""
    if _WHOLE_ID.fullmatch(text):
        return text
    files = (
        _Thing(file["file_id"], file["filename"], contents_of(file)) for file in client.files()
    )
    return _find("upload", text, files) or text


def _find(kind: str, text: str, things: Iterable[_Thing]) -> str | None:
    found = [one for one in things if text == one.name or one.id.startswith(text)]
    exact = [one for one in found if one.id == text]
    if len(exact or found) > 1:
        listed = [f"  {one.id}  {one.name}  {one.about}" for one in found[:_MOST_LISTED]]
        more = f"\n  and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
        raise CliError(
            f"{text} may be any of {len(found)} {kind}s; write more of the id of one:\n"
            + "\n".join(listed)
            + more
        )
    return (exact or found)[0].id if found else None
