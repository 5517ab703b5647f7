"""Spans of calls between a real channel and a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.rpc.channel import open_channel
from tally.rpc.errors import NotFound, Unavailable
from tally.rpc.settings import ClientSettings
from tally.traces.spans import current_traceparent, span, trace_id_of
from tests.fakes.serving import serve
from tests.tracing import Recorded, Span, traced_here
from tests.waiting import eventually

NAME = "tally.blob.v1.BlobService"
CANCELLED = grpc.StatusCode.CANCELLED.value[0]


class Blobs(blob_pb2_grpc.BlobServiceServicer):
    """Does as the digest says; notes the trace that it was in."""

    def __init__(self) -> None:
        self.traces: list[str] = []
        self.began = asyncio.Event()

    async def Stat(self, request, context):
        self.traces.append(trace_id_of(current_traceparent()))
        self.began.set()
        match request.digest:
            case "missing":
                raise NotFound("no such blob")
            case "away":
                raise Unavailable("not now")
            case "bug":
                raise ZeroDivisionError("no such share")
            case "slow":
                await asyncio.Event().wait()
        with span("look"):
            return blob_pb2.StatResponse(exists=True)

    async def Fetch(self, request, context):
        for _ in range(3):
            yield blob_pb2.FetchResponse(total_size_bytes=1)
        if request.digest == "endless":
            await asyncio.Event().wait()

    async def Put(self, requests, context):
        async for _ in requests:
            pass
        return blob_pb2.PutResponse(created=True)


@asynccontextmanager
async def traced() -> AsyncIterator[tuple[grpc.aio.Channel, Blobs, Recorded]]:
    """A channel to these blobs; both ends are traced."""
    blobs = Blobs()
    with traced_here() as recorded:
        async with (
            serve(blob_pb2_grpc.add_BlobServiceServicer_to_server, blobs, NAME) as server,
            open_channel(
                ClientSettings(target=f"127.0.0.1:{server.port}"), idempotent_methods=()
            ) as channel,
        ):
            yield channel, blobs, recorded


async def stat(channel: grpc.aio.Channel, digest: str = "", **options: float) -> None:
    request = blob_pb2.StatRequest(digest=digest)
    await blob_pb2_grpc.BlobServiceStub(channel).Stat(request, **options)


async def both_ends(recorded: Recorded, method: str) -> tuple[Span, Span]:
    """The client's span of a call and the server's, once both have ended."""
    await eventually(lambda: len(recorded.named(f"{NAME}/{method}")) == 2)
    one, other = recorded.named(f"{NAME}/{method}")
    client, server = (one, other) if other.parent_id == one.span_id else (other, one)
    assert (server.parent_id, server.trace_id) == (client.span_id, client.trace_id)
    return client, server


def code(one: Span) -> int:
    return one.attributes["rpc.grpc.status_code"]


async def test_a_call_is_a_span_at_both_ends_and_what_it_does_hangs_on_it():
    async with traced() as (channel, blobs, recorded):
        with span("work"):
            await stat(channel)
        client, server = await both_ends(recorded, "Stat")
        (work,), (look,) = recorded.named("work"), recorded.named("look")
    assert (client.parent_id, look.parent_id) == (work.span_id, server.span_id)
    assert blobs.traces == [work.trace_id]
    assert (code(client), code(server), client.has_failed) == (0, 0, False)
    assert client.attributes["rpc.service"] == NAME
    assert client.attributes["rpc.method"] == "Stat"


@pytest.mark.parametrize(
    ("digest", "status", "error", "is_fault"),
    [
        ("missing", grpc.StatusCode.NOT_FOUND, "tally.rpc.errors.NotFound", False),
        ("away", grpc.StatusCode.UNAVAILABLE, "tally.rpc.errors.Unavailable", True),
        ("bug", grpc.StatusCode.INTERNAL, "ZeroDivisionError", True),
    ],
)
async def test_an_error_is_recorded_where_it_was_raised(digest, status, error, is_fault):
    """The client's span has failed each time; the server's only where the server is at fault."""
    async with traced() as (channel, _, recorded):
        with pytest.raises(grpc.aio.AioRpcError):
            await stat(channel, digest)
        client, server = await both_ends(recorded, "Stat")
    assert code(client) == code(server) == status.value[0]
    assert (client.has_failed, server.has_failed) == (True, is_fault)
    assert server.errors == (error,)


async def test_a_call_that_its_caller_cancels_is_cancelled_and_ends_at_both_ends():
    async with traced() as (channel, blobs, recorded):
        calling = asyncio.create_task(stat(channel, "slow"))
        await blobs.began.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        client, server = await both_ends(recorded, "Stat")
    assert code(client) == code(server) == CANCELLED


async def test_a_deadline_that_passes_ends_the_span():
    async with traced() as (channel, _, recorded):
        with pytest.raises(grpc.aio.AioRpcError):
            await stat(channel, "slow", timeout=0.2)
        client, _ = await both_ends(recorded, "Stat")
    assert code(client) == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]


async def test_streams_are_spans_until_their_end():
    async with traced() as (channel, _, recorded):
        stub = blob_pb2_grpc.BlobServiceStub(channel)
        assert len([one async for one in stub.Fetch(blob_pb2.FetchRequest())]) == 3
        await stub.Put(iter([blob_pb2.PutRequest()]))
        for method in ("Fetch", "Put"):
            client, server = await both_ends(recorded, method)
            assert (code(client), code(server)) == (0, 0)


async def test_a_stream_that_is_left_in_the_middle_ends_at_both_ends():
    async with traced() as (channel, _, recorded):
        stub = blob_pb2_grpc.BlobServiceStub(channel)
        call = stub.Fetch(blob_pb2.FetchRequest(digest="endless"))
        assert (await call.read()).total_size_bytes == 1
        call.cancel()
        client, server = await both_ends(recorded, "Fetch")
    assert code(client) == code(server) == CANCELLED


async def test_a_server_does_not_trace_who_asks_for_its_health():
    async with traced() as (channel, _, recorded):
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        await stat(channel)
        await both_ends(recorded, "Stat")
    assert len(recorded.named("grpc.health.v1.Health/Check")) == 1  # the caller's own


async def test_calls_one_after_another_are_traces_of_their_own():
    async with traced() as (channel, blobs, _):
        for _ in range(3):
            await stat(channel)
    assert len(set(blobs.traces)) == 3
