"""Which job a call is for: told by its metadata or its message, and said by the log behind it."""

import uuid
from collections.abc import AsyncIterator

import grpc
import pytest

from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.learner.v1 import learner_pb2, learner_pb2_grpc
from tally.logs.fields import current_fields, log_fields
from tally.rpc.channel import open_channel
from tally.rpc.server import RpcServer
from tally.rpc.settings import ClientSettings, ServerSettings

JOB, OTHER = str(uuid.uuid4()), str(uuid.uuid4())


class Service(blob_pb2_grpc.BlobServiceServicer, learner_pb2_grpc.LearnerServiceServicer):
    """Notes what its log's lines would concern."""

    def __init__(self) -> None:
        self.concerned: list[object] = []

    def _note(self) -> None:
        self.concerned.append(current_fields().get("job_id"))

    async def Stat(self, request, context):
        self._note()
        return blob_pb2.StatResponse()

    async def Fetch(self, request, context):
        self._note()
        yield blob_pb2.FetchResponse()

    async def Put(self, request_iterator, context):
        self._note()
        return blob_pb2.PutResponse()

    async def CancelJob(self, request, context):
        self._note()
        return learner_pb2.CancelJobResponse()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def channel(service: Service) -> AsyncIterator[grpc.aio.Channel]:
    def register(server: grpc.aio.Server) -> None:
        blob_pb2_grpc.add_BlobServiceServicer_to_server(service, server)
        learner_pb2_grpc.add_LearnerServiceServicer_to_server(service, server)

    server = RpcServer(ServerSettings(), service_names=[], register=register)
    await server.start()
    settings = ClientSettings(target=f"127.0.0.1:{server.port}")
    async with open_channel(settings, idempotent_methods=()) as channel:
        yield channel
    await server.stop(0)


async def call_each_kind(channel: grpc.aio.Channel) -> None:
    blobs = blob_pb2_grpc.BlobServiceStub(channel)
    await blobs.Stat(blob_pb2.StatRequest())
    async for _ in blobs.Fetch(blob_pb2.FetchRequest()):
        pass
    await blobs.Put(iter([blob_pb2.PutRequest()]))


async def test_calls_of_each_kind_tell_the_job_of_who_calls(service: Service, channel):
    with log_fields(job_id=JOB):
        await call_each_kind(channel)
    await call_each_kind(channel)
    assert service.concerned == [JOB] * 3 + [None] * 3


async def test_the_job_that_the_message_names_comes_first(service: Service, channel):
    learner = learner_pb2_grpc.LearnerServiceStub(channel)
    with log_fields(job_id=OTHER):
        await learner.CancelJob(learner_pb2.CancelJobRequest(job_id=JOB))
    assert service.concerned == [JOB]


@pytest.mark.parametrize("odd", ["../x", "x\ny", "數", "a" * 10_000])
async def test_what_is_no_job_id_is_neither_told_nor_said(service: Service, channel, odd: str):
    learner = learner_pb2_grpc.LearnerServiceStub(channel)
    with log_fields(job_id=odd):
        await learner.CancelJob(learner_pb2.CancelJobRequest(job_id=odd))
    assert service.concerned == [None]
