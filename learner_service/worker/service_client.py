"""A worker's side of learner.v1's WorkerService: what it reports, and what it hears."""

import asyncio
import errno
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from learner_service.clients.background import BackgroundLoop
from learner_service.events import Event, WorkerFailed, to_json
from learner_service.job_folder.commits import Place
from learner_service.worker.connection_patience import ConnectionPatience
from learner_service.worker.event_client import PAUSE_SECONDS, EventClient
from learner_service.worker.outbox import Message
from learner_service.worker_access import WorkerAccess
from tally.learner.v1 import worker_pb2 as pb
from tally.learner.v1 import worker_pb2_grpc
from tally.messages.convert import coded_json
from tally.rpc.blobs import BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.digests import digest_of, digest_of_file
from tally.rpc.errors import (
    DeadlineExceeded,
    NotFound,
    ResourceExhausted,
    TallyError,
    Unavailable,
    translate_errors,
)

T = TypeVar("T")
_log = logging.getLogger(__name__)
_CALL_SECONDS = 600.0  # a checkpoint may be large
# The contract's bounds, and how often in a row a blob is put.
_MOST_INLINE_BYTES, _MOST_INLINE_BYTES_OF_CALL, _MOST_PUTS = 1024**2, 16 * 1024**2, 5
_IDEMPOTENT_METHODS = ("tally.learner.v1.WorkerService/ReportFailure",)
# What says nothing of the call but that it came to no end.
_UNHEARD = (Unavailable, DeadlineExceeded)


class ServiceClient:
    """Speaks for one attempt, on a thread of its own, while the context is open.

    A connection that breaks is made anew, and what was not acknowledged is sent again. Where there
    is none for `patience_seconds`, or the service refuses the attempt, whoever reports is told.
    `on_stop` is called then, and where the service wants the attempt to end.
    """

    def __init__(
        self,
        access: WorkerAccess,
        *,
        patience_seconds: float,
        reports: bool = True,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """`reports`: of an attempt's processes, this one tells its events."""
        self._access = access
        self._patience_seconds = patience_seconds
        self.reports = reports
        self._loop = BackgroundLoop(threading.Event())
        self._events = EventClient(self._loop, ConnectionPatience(patience_seconds), on_stop)

    def __enter__(self) -> Self:
        self._loop.run(self._open())
        return self

    def __exit__(self, *error: object) -> None:
        """Waits until what was reported is acknowledged, or can't be."""
        if self.reports:
            with suppress(TallyError):
                self.settle()
        self._loop.run(self._close())
        self._loop.close()

    def report(self, event: Event) -> None:
        """Returns before it is sent. Raises as `settle` does."""
        self._events.put(Message(event=to_json(event)))

    def log_history(self, entry: dict[str, Any]) -> None:
        """As `report`, of an entry of the job's history."""
        self._events.put(Message(history_entry=json.dumps(entry)))

    def settle(self) -> None:
        """Returns once everything that was reported is in the job's log.

        Raises FailedPrecondition where the attempt is over, Unavailable where the service is gone.
        """
        self._events.settle()

    def fail(self, failure: WorkerFailed) -> None:
        """Says why the attempt gives up, after all that it reported."""
        request = pb.ReportFailureRequest(
            message=failure.message,
            retryable=failure.retryable,
            full_disk=failure.full_disk,
            said=coded_json(failure.said),
        )
        try:
            self.settle()
            self._call(lambda: self._stub.ReportFailure(request))
        except (TallyError, OSError) as error:
            _log.warning("the service was not told: %s", error)

    def task(self) -> str:
        """What the attempt is to do, as JSON."""
        response = self._call(lambda: self._stub.GetTask(pb.GetTaskRequest()))
        return str(response.task)

    def report_output(self, data: bytes) -> None:
        """Of processes on another host; raises as `settle` does, and OSError for a full disk."""
        self._call(lambda: self._stub.ReportOutput(pb.ReportOutputRequest(data=data)))

    def job_files(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Digests by paths of what the attempt goes on from, and the damaged checkpoints."""
        response = self._call(lambda: self._stub.GetJobFiles(pb.GetJobFilesRequest()))
        digests = {file.name: file.digest for file in response.files}
        return digests, tuple(response.damaged_checkpoints)

    def fetch(self, digest: str, path: Path) -> None:
        """Raises NotFound, DataLoss."""
        self._call(lambda: self._blobs.fetch_file(digest, path))

    def put(self, path: Path, digest: str) -> None:
        """Puts the file at `path`, whose digest that is."""
        self._call(lambda: self._blobs.send_file(path, digest))

    def commit(self, place: Place, paths: Sequence[Path], step: int) -> None:
        """Raises as CommitFiles of worker.proto says."""
        named = pb.JobPlace.Value(f"JOB_PLACE_{place.name}")
        request = pb.CommitFilesRequest(place=named, step=step)
        to_put = dict[Path, str]()
        room_bytes = _MOST_INLINE_BYTES_OF_CALL
        for path in paths:
            data = _read_small(path, room_bytes)
            digest = digest_of(data) if data else digest_of_file(path)
            room_bytes -= len(data)
            request.files.add(name=path.name, digest=digest, data=data)
            if not data:
                to_put[path] = digest

        async def put_and_commit() -> None:
            for path, digest in to_put.items():
                await self._blobs.send_file(path, digest)
            await self._stub.CommitFiles(request)

        self._put_until_taken(put_and_commit)

    def publish(self, path: Path, digest: str, kept: int) -> None:
        """Puts an adapter, and makes it the job's newest: one call where it is small."""
        data = _read_small(path)
        request = pb.PublishAdapterRequest(digest=digest, kept=kept, data=data)

        async def put_and_publish() -> None:
            if not data:
                await self._blobs.send_file(path, digest)
            await self._stub.PublishAdapter(request)

        self._put_until_taken(put_and_publish)

    def _put_until_taken(self, put: Callable[[], Awaitable[None]]) -> None:
        """Again where a blob is gone before it is taken: a job that made the same has let it go."""
        for _ in range(_MOST_PUTS - 1):
            with suppress(NotFound):
                return self._call(put)
        return self._call(put)

    def _call(self, make: Callable[[], Awaitable[T]]) -> T:
        """What the call returns; made again while there is no connection, for as long as that is
        waited for. Raises as `settle` does, OSError for a full disk, and what else the call raises.
        """
        patience = ConnectionPatience(self._patience_seconds)
        while True:
            try:
                return self._loop.run(_translate(make))
            except ResourceExhausted as error:  # a full disk is one, whoever's it is
                raise OSError(errno.ENOSPC, str(error)) from error
            except _UNHEARD as error:
                patience.check(error)
                time.sleep(PAUSE_SECONDS)

    async def _open(self) -> None:
        self._channel = open_channel(
            self._access.learner.model_copy(update={"timeout_seconds": _CALL_SECONDS}),
            idempotent_methods=_IDEMPOTENT_METHODS,
            secret=self._access.secret,
            metadata=[self._access.metadata],
        )
        self._stub = worker_pb2_grpc.WorkerServiceStub(self._channel)
        self._blobs = BlobClient(self._channel)
        self._reporting = (
            asyncio.create_task(self._events.run(self._channel)) if self.reports else None
        )

    async def _close(self) -> None:
        if self._reporting:
            self._reporting.cancel()
            await asyncio.gather(self._reporting, return_exceptions=True)
        await self._channel.close()


def _read_small(path: Path, room_bytes: int = _MOST_INLINE_BYTES) -> bytes:
    """What goes with a call; empty of a file that is put before it."""
    if path.stat().st_size > min(room_bytes, _MOST_INLINE_BYTES):
        return b""
    return path.read_bytes()


async def _translate(make: Callable[[], Awaitable[T]]) -> T:
    async with translate_errors():
        return await make()
