"""The learner as the replica sees it, and the plain stream it is compared with."""

import asyncio
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import grpc

from bench.peak_memory import PeakMemory
from learner_service.blobs.blob_servicer import BlobServicer
from learner_service.blobs.blob_store import BlobStore
from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.rpc.blobs import CHUNK_BYTES, keep_freed_buffers
from tally.rpc.server import RpcServer
from tally.rpc.settings import ServerSettings

PLAIN = "bench.Plain"


def serve_blobs(pipe: Connection, store: Path, fetches: "Synchronized[int]") -> None:
    """The learner: sends its port; at any message, how far its memory grew."""
    asyncio.run(_serve_blobs(pipe, store, fetches))


async def _serve_blobs(pipe: Connection, store: Path, fetches: "Synchronized[int]") -> None:
    servicer = _CountingServicer(BlobStore(store), fetches)
    server = RpcServer(
        ServerSettings(host="127.0.0.1", port=0),
        service_names=["tally.blob.v1.BlobService"],
        register=lambda s: blob_pb2_grpc.add_BlobServiceServicer_to_server(servicer, s),
    )
    await server.start()
    growth = PeakMemory("cpu")
    pipe.send(server.port)
    await asyncio.to_thread(pipe.recv)
    pipe.send(growth.figures().growth)
    await server.stop(0)


def serve_plainly(pipe: Connection, path: Path) -> None:
    """The other side of the comparison: sends its port."""
    asyncio.run(_serve_plainly(pipe, path))


async def _serve_plainly(pipe: Connection, path: Path) -> None:
    keep_freed_buffers()
    data = path.read_bytes()
    chunks = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]

    async def messages(
        request: bytes, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[blob_pb2.FetchResponse]:
        for chunk in chunks:
            yield blob_pb2.FetchResponse(chunk=blob_pb2.BlobChunk(data=chunk))

    async def raw(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    methods = {
        "Messages": grpc.unary_stream_rpc_method_handler(
            messages, response_serializer=blob_pb2.FetchResponse.SerializeToString
        ),
        "Raw": grpc.unary_stream_rpc_method_handler(raw),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(PLAIN, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    pipe.send(port)
    await asyncio.to_thread(pipe.recv)
    await server.stop(0)


class _CountingServicer(BlobServicer):
    def __init__(self, store: BlobStore, fetches: "Synchronized[int]") -> None:
        super().__init__(store)
        self._fetches = fetches

    async def Fetch(
        self, request: blob_pb2.FetchRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[blob_pb2.FetchResponse]:
        self._fetches.value += 1
        async for response in super().Fetch(request, context):
            yield response
