"""Fetching a result: into a partial file first, which a later try goes on with."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import httpx

from tally.cli.client.api_client import ApiClient, path_part
from tally.cli.errors import CliError, GatewayUnreachable, RequestRefused

_TRIES = 5
_SILENCE_SECONDS = 60.0

# Called with bytes had so far and bytes in all (None while unknown).
OnProgress = Callable[[int, int | None], None]


def download(
    client: ApiClient, job_id: str, path: Path, on_progress: OnProgress = lambda had, total: None
) -> None:
    """Writes the job's result to `path`, whole or not at all.

    What has come stands in `path`.JOB_ID.part until then; a lost connection is taken up again.
    """
    partial = path.with_name(f"{path.name}.{job_id}.part")
    for attempt in range(1, _TRIES + 1):
        try:
            _fetch_rest(client, job_id, partial, on_progress)
            break
        except GatewayUnreachable:
            if attempt == _TRIES:
                raise
    partial.replace(path)


def _fetch_rest(client: ApiClient, job_id: str, partial: Path, on_progress: OnProgress) -> None:
    had = partial.stat().st_size if partial.exists() else 0
    try:
        with _open(client, job_id, had) as response:
            if response.status_code != httpx.codes.PARTIAL_CONTENT:
                had = 0
            with partial.open("ab" if had else "wb") as file:
                _save(response, file, had, on_progress)
    except RequestRefused as error:
        if error.status != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        _check_nothing_is_left(client, job_id, partial)


def _open(client: ApiClient, job_id: str, had: int) -> AbstractContextManager[httpx.Response]:
    # Compression on the way would make the range one of other bytes than those in the file.
    headers = {"Accept-Encoding": "identity"}
    path = f"/jobs/{path_part(job_id)}/download"
    if had:
        headers["Range"] = f"bytes={had}-"
    return client.stream(path, headers, timeout_seconds=_SILENCE_SECONDS)


def _save(response: httpx.Response, file: BinaryIO, had: int, on_progress: OnProgress) -> None:
    length = response.headers.get("Content-Length")
    total = had + int(length) if length else None
    on_progress(had, total)
    # Pieces as they come: a size asked for would hold bytes back, and a lost connection lose them.
    for chunk in response.iter_raw():
        file.write(chunk)
        had += len(chunk)
        on_progress(had, total)
    if total is not None and had != total:
        raise GatewayUnreachable(f"The download ended after {had} of {total} bytes.")


def _check_nothing_is_left(client: ApiClient, job_id: str, partial: Path) -> None:
    """The partial file has no byte to go on with: it is whole, or it is of another result."""
    with _open(client, job_id, 0) as response:
        total = int(response.headers.get("Content-Length", -1))
    if partial.stat().st_size != total:
        partial.unlink()
        raise CliError("The partial file was of another result and is gone; try again.")
