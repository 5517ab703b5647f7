"""A blob store in memory behind real gRPC; it counts fetches and fails on purpose."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

import grpc

from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.rpc.digests import digest_of

_CHUNK_BYTES = 1000


class Fault(StrEnum):
    NONE = "none"
    FLIPPED = "flipped"
    MISSING = "missing"
    REORDERED = "reordered"
    LONGER = "longer"


class FakeBlobStore(blob_pb2_grpc.BlobServiceServicer):
    """Set `fault`, `unavailable_times`, `break_off_after` or `delay_seconds` before a fetch."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.fetches: Counter[str] = Counter()
        self.fault = Fault.NONE
        self.unavailable_times = 0
        self.break_off_after = 0  # chunks; the next call goes through
        self.delay_seconds = 0.0
        self.offsets: list[int] = []

    def add(self, data: bytes) -> str:
        digest = digest_of(data)
        self.blobs[digest] = data
        return digest

    async def Stat(
        self, request: blob_pb2.StatRequest, context: grpc.aio.ServicerContext
    ) -> blob_pb2.StatResponse:
        size_bytes = len(self.blobs.get(request.digest, b""))
        return blob_pb2.StatResponse(exists=request.digest in self.blobs, size_bytes=size_bytes)

    async def Fetch(
        self, request: blob_pb2.FetchRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[blob_pb2.FetchResponse]:
        self.fetches[request.digest] += 1
        await asyncio.sleep(self.delay_seconds)
        if self.unavailable_times:
            self.unavailable_times -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the store rests")
        if request.digest not in self.blobs:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no blob {request.digest}")
        self.offsets.append(request.offset)
        breaking_off, self.break_off_after = self.break_off_after, 0
        responses = self._responses(self.blobs[request.digest], request.offset)
        for response in responses[: breaking_off or None]:
            yield response
        if breaking_off:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the store rests")

    def _responses(self, data: bytes, start: int) -> list[blob_pb2.FetchResponse]:
        responses = [
            blob_pb2.FetchResponse(
                chunk=blob_pb2.BlobChunk(offset=at, data=data[at : at + _CHUNK_BYTES]),
                total_size_bytes=len(data),
            )
            for at in range(start, len(data), _CHUNK_BYTES)
        ]
        if self.fault == Fault.FLIPPED:
            first = responses[0].chunk
            first.data = bytes([first.data[0] ^ 1]) + first.data[1:]
        elif self.fault == Fault.MISSING:
            del responses[len(responses) // 2]
        elif self.fault == Fault.REORDERED:
            responses.reverse()
        elif self.fault == Fault.LONGER:
            for response in responses:
                response.total_size_bytes -= 1
        return responses


@asynccontextmanager
async def running_blob_store() -> AsyncIterator[tuple[FakeBlobStore, str]]:
    """A store and its target (host:port)."""
    store = FakeBlobStore()
    server = grpc.aio.server()
    blob_pb2_grpc.add_BlobServiceServicer_to_server(store, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield store, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
