"""blob.v1 over the learner's blob store."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import grpc

from learner_service.blobs.blob_store import BlobStore
from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.rpc.blobs import BATCH_CHUNKS, CHUNK_BYTES, MOST_CHUNK_BYTES, keep_freed_buffers
from tally.rpc.digests import check_digest
from tally.rpc.errors import DataLoss, InvalidArgument, OutOfRange


class BlobServicer(blob_pb2_grpc.BlobServiceServicer):
    def __init__(self, store: BlobStore) -> None:
        self._store = store
        keep_freed_buffers()

    async def Stat(
        self, request: blob_pb2.StatRequest, context: grpc.aio.ServicerContext
    ) -> blob_pb2.StatResponse:
        size_bytes = self._store.size_bytes(check_digest(request.digest, "digest"))
        return blob_pb2.StatResponse(exists=size_bytes is not None, size_bytes=size_bytes or 0)

    async def Put(
        self,
        request_iterator: AsyncIterator[blob_pb2.PutRequest],
        context: grpc.aio.ServicerContext,
    ) -> blob_pb2.PutResponse:
        header = await _header(request_iterator)
        if self._store.size_bytes(header.digest) is not None:
            return blob_pb2.PutResponse(created=False)
        with self._store.write(header.digest, header.size_bytes) as writer:
            async for request in request_iterator:
                chunk = _chunk(request)
                await asyncio.to_thread(writer.append, chunk.offset, chunk.data)
            await asyncio.to_thread(writer.commit)
        return blob_pb2.PutResponse(created=True)

    async def Fetch(
        self, request: blob_pb2.FetchRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[blob_pb2.FetchResponse]:
        # In this order: the thread has ended when the file is closed, whatever ends the call.
        with (
            self._store.open(check_digest(request.digest, "digest")) as file,
            ThreadPoolExecutor(max_workers=1) as thread,
        ):
            total_size_bytes = file.seek(0, os.SEEK_END)
            if request.offset > total_size_bytes:
                raise OutOfRange(f"offset: the blob ends at {total_size_bytes}")
            offset = file.seek(request.offset)
            async for data in _chunks(file, thread):
                response = blob_pb2.FetchResponse(total_size_bytes=total_size_bytes)
                response.chunk.offset = offset
                response.chunk.data = data
                yield response
                offset += len(data)


async def _chunks(file: BinaryIO, thread: ThreadPoolExecutor) -> AsyncIterator[bytes]:
    """The rest of the file; the next chunks are read while the last ones are sent."""
    loop = asyncio.get_running_loop()
    reading = loop.run_in_executor(thread, _read, file)
    while chunks := await reading:
        reading = loop.run_in_executor(thread, _read, file)
        for data in chunks:
            yield data


def _read(file: BinaryIO) -> list[bytes]:
    chunks = (file.read(CHUNK_BYTES) for _ in range(BATCH_CHUNKS))
    return [data for data in chunks if data]


async def _header(requests: AsyncIterator[blob_pb2.PutRequest]) -> blob_pb2.BlobHeader:
    async for request in requests:
        if request.WhichOneof("part") != "header":
            break
        check_digest(request.header.digest, "header.digest")
        return request.header
    raise InvalidArgument("the first message must be a header")


def _chunk(request: blob_pb2.PutRequest) -> blob_pb2.BlobChunk:
    if request.WhichOneof("part") != "chunk":
        raise DataLoss("a second header in the middle of a blob")
    if len(request.chunk.data) > MOST_CHUNK_BYTES:
        raise InvalidArgument(f"chunk.data: at most {MOST_CHUNK_BYTES} bytes")
    return request.chunk
