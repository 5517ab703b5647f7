"""Looks at all jobs again and again: a job's steps never fall, and an end stays as it was."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

_LOOK_SECONDS = 0.5


class Observer:
    """Counts the looks at which a job had gone back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self._seen: dict[str, dict[str, Any]] = {}
        self.steps_gone_back = 0
        self.ends_changed = 0

    @contextmanager
    def watch(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=10.0, trust_env=False) as client:
            while not self._over.wait(_LOOK_SECONDS):
                try:
                    answer = client.get("/jobs")
                except httpx.TransportError:
                    continue
                if answer.is_success:
                    self._look(answer.json())

    def _look(self, jobs: list[dict[str, Any]]) -> None:
        for job in jobs:
            before = self._seen.get(job["job_id"], job)
            self.steps_gone_back += job["current_step"] < before["current_step"]
            ended = before["status"] != "training"
            self.ends_changed += ended and job["status"] != before["status"]
            self._seen[job["job_id"]] = job
