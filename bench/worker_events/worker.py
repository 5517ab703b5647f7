"""`python -m bench.worker_events.worker`: a job's process that speaks through a pipe."""

import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

from bench.worker_events.learner import EVENT, HISTORY, PIPE_VARIABLE
from learner_service.blobs.blob_store import BlobStore
from learner_service.events import Event, WorkerFailed, to_json
from learner_service.job_folder.commits import Place
from learner_service.queue.worker_links import commits_of
from learner_service.worker import start
from learner_service.worker.single_calls import fetch_task, report_failure
from learner_service.worker_access import WorkerAccess

_OWNER = "bench"


class PipeClient:
    """In the place of ServiceClient: reports through a pipe, and reads and writes the learner's own
    folders."""

    reports = True

    def __init__(
        self, access: WorkerAccess, *, on_stop: Callable[[], None], **settings: object
    ) -> None:
        self._access = access
        task = fetch_task(access, None)
        self._commits, self.blobs = commits_of(task), BlobStore(task.blobs)
        self._pipe = socket.socket(fileno=int(os.environ[PIPE_VARIABLE]))
        self._changed = threading.Condition()
        self._sent = self._acknowledged = 0
        threading.Thread(target=self._hear, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.settle()

    def report(self, event: Event) -> None:
        self._send(EVENT + to_json(event).encode())

    def log_history(self, entry: dict[str, Any]) -> None:
        self._send(HISTORY + json.dumps(entry).encode())

    def settle(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._acknowledged >= self._sent)

    def fail(self, failure: WorkerFailed) -> None:
        report_failure(self._access, failure)

    def job_files(self) -> tuple[dict[str, str], tuple[str, ...]]:
        return self._commits.files()

    def fetch(self, digest: str, path: Path) -> None:
        shutil.copyfile(self.blobs.path(digest), path)

    def commit(self, place: Place, paths: Sequence[Path], step: int) -> None:
        files = {path.name: self.blobs.link_file(path, _OWNER) for path in paths}
        self._commits.commit(place, step, files)
        for digest in files.values():
            self.blobs.release(digest, _OWNER)

    def publish(self, path: Path, digest: str, kept: int) -> None:
        self._commits.publish(digest, kept)

    def _send(self, line: bytes) -> None:
        with self._changed:
            self._sent += 1
            self._pipe.sendall(line + b"\n")

    def _hear(self) -> None:
        for line in self._pipe.makefile("rb"):
            with self._changed:
                self._acknowledged = int(line)
                self._changed.notify_all()


def _learner_blobs(root: Path, service: PipeClient, *, puts: bool) -> BlobStore:
    return service.blobs


if __name__ == "__main__":
    with (
        patch("learner_service.worker.worker.ServiceClient", PipeClient),
        patch("learner_service.worker.worker.WorkerBlobs", _learner_blobs),
    ):
        start.main()
