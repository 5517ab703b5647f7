"""A download: into a partial file first, which a later try goes on with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import httpx

from tally.client.call import Call
from tally.client.errors import GatewayUnreachable, OtherDownload

TRIES = 5
_SILENCE_SECONDS = 60.0

Checkpoint = Literal["last", "best"]
# The adapter, or the base model with it in its weights.
Form = Literal["adapter", "merged"]
# Called with bytes had so far and bytes in all (None while unknown).
OnProgress = Callable[[int, int | None], None]


class PartialFile:
    """What has come of a job's result, in `path`.JOB_ID.part until it is whole."""

    def __init__(
        self,
        path: Path,
        job_id: str,
        on_progress: OnProgress | None,
        checkpoint: Checkpoint,
        form: Form,
    ) -> None:
        self._path = path
        self._asked = {
            "checkpoint": None if checkpoint == "last" else checkpoint,
            "form": None if form == "adapter" else form,
        }
        named = ".".join([job_id, *filter(None, self._asked.values())])
        self._partial = path.with_name(f"{path.name}.{named}.part")
        self._job_id = job_id
        self._on_progress = on_progress or (lambda had, total: None)

    def call(self, *, whole: bool = False) -> Call[httpx.Response]:
        """What is still to come, or all of it, as always of what is made while it is sent.
        Compression on the way would make the range one of other bytes than those in the file."""
        whole = whole or self._asked["form"] == "merged" or not self._partial.exists()
        had = 0 if whole else self._partial.stat().st_size
        return Call(
            method="GET",
            route="/jobs/{job_id}/download",
            ids={"job_id": self._job_id},
            query=self._asked,
            headers={"Accept-Encoding": "identity", "Range": f"bytes={had}-" if had else None},
            read=lambda response: response,
            timeout_seconds=_SILENCE_SECONDS,
        )

    @contextmanager
    def receiving(self, response: httpx.Response) -> Iterator[Callable[[bytes], None]]:
        """Takes pieces of the answer; raises GatewayUnreachable where some are missing at the end.

        A server without ranges sends all of it again.
        """
        goes_on = response.status_code == httpx.codes.PARTIAL_CONTENT
        with self._partial.open("ab" if goes_on else "wb") as file:
            length = response.headers.get("Content-Length")
            total = file.tell() + int(length) if length else None

            def add(piece: bytes) -> None:
                file.write(piece)
                self._on_progress(file.tell(), total)

            add(b"")
            yield add
            had = file.tell()
        if total is not None and had != total:
            raise GatewayUnreachable(f"The download ended after {had} of {total} bytes.")

    def check_size(self, response: httpx.Response) -> None:
        """Where there is no byte to go on with, it is whole, or raises OtherDownload."""
        if self._partial.stat().st_size != int(response.headers.get("Content-Length", -1)):
            self._partial.unlink()
            raise OtherDownload("The partial file was of another result and is gone; try again.")

    def keep(self) -> None:
        self._partial.replace(self._path)
