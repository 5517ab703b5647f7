"""blob.v1 over the learner's blob store."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import grpc

from learner_service.blob_settings import BlobSettings
from learner_service.blobs.blob_store import BlobStore
from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.rpc.blobs import BATCH_CHUNKS, CHUNK_BYTES, MOST_CHUNK_BYTES, keep_freed_buffers
from tally.rpc.deadlines import limit_time
from tally.rpc.digests import check_digest
from tally.rpc.errors import DataLoss, InvalidArgument, OutOfRange


class BlobServicer(blob_pb2_grpc.BlobServiceServicer):
    def __init__(
        self, store: BlobStore, settings: BlobSettings | None = None, *, lasting: bool = True
    ) -> None:
        """What is put is on the disk when the call returns, unless it is not to be `lasting`."""
        self._lasting = lasting
        self._store = store
        self._settings = settings or BlobSettings()
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
        seconds = self._settings.put_seconds
        async with limit_time(seconds, f"the blob was not here after {seconds:g} seconds"):
            header = self._header(await self._next(request_iterator))
            # One that is not lasting may have been torn by a failure of the machine.
            if self._lasting and await asyncio.to_thread(self._store.touch, header.digest):
                return blob_pb2.PutResponse(created=False)
            with self._store.write(
                header.digest, header.size_bytes, lasting=self._lasting
            ) as writer:
                while part := await self._next(request_iterator):
                    chunk = _chunk(part)
                    await asyncio.to_thread(writer.append, chunk.offset, chunk.data)
                await asyncio.to_thread(writer.commit)
        return blob_pb2.PutResponse(created=True)

    async def _next(self, parts: AsyncIterator[blob_pb2.PutRequest]) -> blob_pb2.PutRequest | None:
        """None at the stream's end; raises DeadlineExceeded for one that sends nothing."""
        seconds = self._settings.silence_seconds
        async with limit_time(seconds, f"nothing came for {seconds:g} seconds; put the blob again"):
            return await anext(parts, None)

    def _header(self, part: blob_pb2.PutRequest | None) -> blob_pb2.BlobHeader:
        if part is None or part.WhichOneof("part") != "header":
            raise InvalidArgument("the first message must be a header")
        check_digest(part.header.digest, "header.digest")
        if part.header.size_bytes > self._settings.max_bytes:
            raise InvalidArgument(
                f"header.size_bytes: {part.header.size_bytes:,}; this store takes blobs of at most "
                f"{self._settings.max_bytes:,} bytes"
            )
        return part.header

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


def _chunk(request: blob_pb2.PutRequest) -> blob_pb2.BlobChunk:
    if request.WhichOneof("part") != "chunk":
        raise DataLoss("expected a chunk after the header")
    if not 0 < len(request.chunk.data) <= MOST_CHUNK_BYTES:
        raise InvalidArgument(f"chunk.data: expected 1 to {MOST_CHUNK_BYTES:,} bytes")
    return request.chunk
