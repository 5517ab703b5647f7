"""Calls of a real server, counted by method and status."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from prometheus_client import CollectorRegistry

from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.metrics.calls import CallMetrics
from tally.rpc.errors import NotFound
from tally.rpc.secret import secret_metadata
from tally.rpc.server import RpcServer
from tally.rpc.settings import ServerSettings
from tests.waiting import eventually

NAME = "tally.blob.v1.BlobService"
SECRET = "s3cret-" * 6
SHOWN = [secret_metadata(SECRET)]


class Blobs(blob_pb2_grpc.BlobServiceServicer):
    async def Stat(self, request, context):
        if request.digest == "missing":
            raise NotFound("no such blob")
        if request.digest == "bug":
            raise ZeroDivisionError
        if request.digest == "endless":
            await asyncio.Event().wait()
        return blob_pb2.StatResponse(exists=True)

    async def Fetch(self, request, context):
        yield blob_pb2.FetchResponse(total_size_bytes=1)
        if request.digest == "endless":
            await asyncio.Event().wait()


class Server:
    """A server of blobs and its calls."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.rpc = RpcServer(
            ServerSettings(),
            service_names=[NAME],
            register=lambda s: blob_pb2_grpc.add_BlobServiceServicer_to_server(Blobs(), s),
            secret=SECRET,
            interceptors=[CallMetrics(self.registry, [NAME])],
        )
        self.stub: blob_pb2_grpc.BlobServiceStub

    def handled(self, method: str, code: str, service: str = NAME) -> float:
        labels = {"grpc_service": service, "grpc_method": method, "grpc_code": code}
        return self.registry.get_sample_value("grpc_server_handled_total", labels) or 0

    def timed(self, method: str) -> float | None:
        labels = {"grpc_service": NAME, "grpc_method": method}
        return self.registry.get_sample_value("grpc_server_handling_seconds_count", labels)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.rpc.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.rpc.port}") as channel:
        server.stub = blob_pb2_grpc.BlobServiceStub(channel)
        yield server
    await server.rpc.stop(0)


async def test_answers_and_errors_have_their_status(server: Server):
    for digest in ("a", "b", "missing", "bug"):
        call = server.stub.Stat(blob_pb2.StatRequest(digest=digest), metadata=SHOWN)
        await asyncio.gather(call, return_exceptions=True)
    # A caller may have its status before the server has noted it.
    await eventually(lambda: server.timed("Stat") == 4)
    assert server.handled("Stat", "OK") == 2
    assert server.handled("Stat", "NOT_FOUND") == 1
    assert server.handled("Stat", "INTERNAL") == 1


async def test_a_stream_counts_once_when_it_ends(server: Server):
    request = blob_pb2.FetchRequest(digest="a")
    assert [r.total_size_bytes async for r in server.stub.Fetch(request, metadata=SHOWN)] == [1]
    await eventually(lambda: server.timed("Fetch") == 1)
    assert server.handled("Fetch", "OK") == 1


async def test_calls_whose_caller_left_are_cancelled_ones(server: Server):
    stat = server.stub.Stat(blob_pb2.StatRequest(digest="endless"), metadata=SHOWN)
    fetch = server.stub.Fetch(blob_pb2.FetchRequest(digest="endless"), metadata=SHOWN)
    await fetch.read()
    stat.cancel()
    fetch.cancel()
    await eventually(lambda: server.handled("Fetch", "CANCELLED") == 1)
    assert server.handled("Stat", "OK") == server.handled("Fetch", "OK") == 0


async def test_what_is_refused_for_want_of_the_secret_counts_too(server: Server):
    with pytest.raises(grpc.aio.AioRpcError):
        await server.stub.Stat(blob_pb2.StatRequest())
    await eventually(lambda: server.handled("Stat", "UNAUTHENTICATED") == 1)


async def test_methods_that_strangers_make_up_are_one_series(server: Server):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.rpc.port}") as channel:
        for number in range(3):
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(f"/tally.made.up/Method{number}")(b"")
    await eventually(lambda: server.handled("unknown", "UNAUTHENTICATED", service="unknown") == 3)
