"""Looks at all jobs again and again: a job's steps never fall, and an end stays as it was."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from bench.watching import watching

_LOOK_SECONDS = 0.5


class Observer:
    """Counts the looks at which a job had gone back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: dict[str, dict[str, Any]] = {}
        self.steps_gone_back = 0
        self.ends_changed = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Looks while the block runs."""
        with (
            httpx.Client(base_url=self._url, timeout=10.0, trust_env=False) as client,
            watching(lambda: self._look(client), _LOOK_SECONDS),
        ):
            yield

    def _look(self, client: httpx.Client) -> None:
        with suppress(httpx.TransportError):
            answer = client.get("/jobs")
            if answer.is_success:
                self._compare(answer.json())

    def _compare(self, jobs: list[dict[str, Any]]) -> None:
        for job in jobs:
            before = self._seen.get(job["job_id"], job)
            self.steps_gone_back += job["current_step"] < before["current_step"]
            ended = before["status"] != "training"
            self.ends_changed += ended and job["status"] != before["status"]
            self._seen[job["job_id"]] = job
