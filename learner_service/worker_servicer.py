"""learner.v1's WorkerService over the attempts that go on, and where workers here reach it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc

from learner_service.blob_settings import BlobSettings
from learner_service.blobs.blob_servicer import BlobServicer
from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import Superseded
from learner_service.events import MOST_REASON_CHARACTERS, Event, WorkerFailed, from_json
from learner_service.job_folder.commits import Place
from learner_service.queue.worker_links import (
    Acknowledged,
    HistoryEntry,
    Message,
    Word,
    WorkerLink,
    WorkerLinks,
)
from learner_service.token_check import TokenCheck
from learner_service.worker_access import token_of
from tally.blob.v1.blob_pb2_grpc import add_BlobServiceServicer_to_server
from tally.learner.v1 import worker_pb2 as pb
from tally.learner.v1 import worker_pb2_grpc
from tally.messages.convert import read_said
from tally.rpc.digests import check_digest
from tally.rpc.errors import InvalidArgument
from tally.rpc.interceptors import ErrorInterceptor

_MOST_INLINE_BYTES, _MOST_INLINE_BYTES_OF_CALL = 1024**2, 16 * 1024**2
_OPTIONS = [
    ("grpc.max_receive_message_length", 32 * 1024**2),
    # Workers ask for a sign of life, and one that was held up asks often.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
]


class WorkerServicer(worker_pb2_grpc.WorkerServiceServicer):
    def __init__(self, links: WorkerLinks) -> None:
        self._links = links

    async def GetTask(
        self, request: pb.GetTaskRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetTaskResponse:
        return pb.GetTaskResponse(task=self._link(context).task)

    async def ReportEvents(
        self,
        request_iterator: AsyncIterator[pb.ReportEventsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[pb.ReportEventsResponse]:
        link = self._link(context)
        words = link.open_stream()
        listening = asyncio.create_task(_listen(link, request_iterator))
        listening.add_done_callback(lambda _: words.put_nowait(None))
        try:
            while word := await words.get():
                yield _response(word)
            await listening  # which raises what was wrong
        finally:
            listening.cancel()

    async def ReportFailure(
        self, request: pb.ReportFailureRequest, context: grpc.aio.ServicerContext
    ) -> pb.ReportFailureResponse:
        link = self._link(context)
        if not request.message:
            raise InvalidArgument("message: expected the reason, for a person")
        failure = WorkerFailed(
            message=request.message[:MOST_REASON_CHARACTERS],
            retryable=request.retryable,
            full_disk=request.full_disk,
            said=read_said(request, 4 * MOST_REASON_CHARACTERS),
        )
        link.fail(failure)
        return pb.ReportFailureResponse()

    async def ReportOutput(
        self, request: pb.ReportOutputRequest, context: grpc.aio.ServicerContext
    ) -> pb.ReportOutputResponse:
        link = self._link(context)
        await asyncio.to_thread(link.append_output, _check_inline(request.data, "data"))
        return pb.ReportOutputResponse()

    async def GetJobFiles(
        self, request: pb.GetJobFilesRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetJobFilesResponse:
        digests, damaged = await asyncio.to_thread(self._link(context).commits.files)
        files = [pb.JobFile(name=name, digest=digest) for name, digest in digests.items()]
        return pb.GetJobFilesResponse(files=files, damaged_checkpoints=damaged)

    async def CommitFiles(
        self, request: pb.CommitFilesRequest, context: grpc.aio.ServicerContext
    ) -> pb.CommitFilesResponse:
        commits = self._link(context).commits
        files = {file.name: check_digest(file.digest, "files.digest") for file in request.files}
        if len(files) != len(request.files):
            raise InvalidArgument("files.name: expected each name once")
        data = {file.name: _check_inline(file.data, "files.data") for file in request.files}
        if sum(map(len, data.values())) > _MOST_INLINE_BYTES_OF_CALL:
            raise InvalidArgument(
                f"files.data: expected at most {_MOST_INLINE_BYTES_OF_CALL:,} bytes together"
            )
        await asyncio.to_thread(commits.commit, _place(request.place), request.step, files, data)
        return pb.CommitFilesResponse()

    async def PublishAdapter(
        self, request: pb.PublishAdapterRequest, context: grpc.aio.ServicerContext
    ) -> pb.PublishAdapterResponse:
        commits, digest = self._link(context).commits, check_digest(request.digest, "digest")
        if not request.kept:
            raise InvalidArgument("kept: expected at least 1")
        data = _check_inline(request.data, "data")
        await asyncio.to_thread(commits.publish, digest, request.kept, data)
        return pb.PublishAdapterResponse()

    def _link(self, context: grpc.aio.ServicerContext) -> WorkerLink:
        return self._links.find(token_of(context.invocation_metadata()))


@asynccontextmanager
async def serve_workers(
    links: WorkerLinks, blobs: BlobStore, settings: BlobSettings | None = None
) -> AsyncIterator[None]:
    """Answers this machine's workers at `links.address` while the context is open."""
    interceptors = [ErrorInterceptor(), TokenCheck(links)]
    server = grpc.aio.server(interceptors=interceptors, options=_OPTIONS)
    # What a worker puts lasts from its commit on; an adapter lives for a step.
    add_BlobServiceServicer_to_server(BlobServicer(blobs, settings, lasting=False), server)
    worker_pb2_grpc.add_WorkerServiceServicer_to_server(WorkerServicer(links), server)
    server.add_insecure_port(links.address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


async def _listen(link: WorkerLink, requests: AsyncIterator[pb.ReportEventsRequest]) -> None:
    async for request in requests:
        link.receive(request.number, _message_of(request))


def _message_of(request: pb.ReportEventsRequest) -> Message:
    if request.WhichOneof("message") == "history_entry":
        return _history_entry_of(request.history_entry)
    return _event_of(request.event)


def _history_entry_of(text: str) -> HistoryEntry:
    with suppress(ValueError):
        fields = json.loads(text)
        if isinstance(fields, dict) and isinstance(fields.get("step"), int):
            return HistoryEntry(fields)
    raise InvalidArgument("history_entry: expected an object of JSON with a step")


def _check_inline(data: bytes, field: str) -> bytes:
    if len(data) > _MOST_INLINE_BYTES:
        raise InvalidArgument(f"{field}: expected at most {_MOST_INLINE_BYTES:,} bytes")
    return data


def _place(place: pb.JobPlace.ValueType) -> Place:
    try:
        return Place[pb.JobPlace.Name(place).removeprefix("JOB_PLACE_")]
    except (KeyError, ValueError):
        raise InvalidArgument("place: expected one of JobPlace") from None


def _event_of(text: str) -> Event:
    try:
        return from_json(text)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidArgument("event: no event of a job as JSON") from None


def _response(word: Word) -> pb.ReportEventsResponse:
    if isinstance(word, Superseded):
        raise word
    if isinstance(word, Acknowledged):
        return pb.ReportEventsResponse(acknowledged_number=word.number)
    return pb.ReportEventsResponse(stop=pb.StopAttempt())
