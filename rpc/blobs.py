"""The client of the blob store: what the gateway puts and what every fetcher verifies."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc

from rpc.errors import DataLoss, Unavailable, translated_errors
from tally.blob.v1 import blob_pb2, blob_pb2_grpc

CHUNK_BYTES = 1024**2
IDEMPOTENT_METHODS = ("tally.blob.v1.BlobService/Stat",)
_FETCH_ATTEMPTS = 4
_TRANSFER_TIMEOUT_SECONDS = 600.0


class BlobClient:
    """Stat, put and fetch by digest; a fetch that breaks off goes on where it was."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = blob_pb2_grpc.BlobServiceStub(channel)

    async def exists(self, digest: str) -> bool:
        async with translated_errors():
            response = await self._stub.Stat(blob_pb2.StatRequest(digest=digest))
        return response.exists

    async def put_file(self, path: Path, digest: str) -> bool:
        """Stores the file at `path` under `digest`; returns False where it was there already."""
        if await self.exists(digest):
            return False
        async with translated_errors():
            response = await self._stub.Put(
                _put_requests(path, digest), timeout=_TRANSFER_TIMEOUT_SECONDS
            )
        return response.created

    async def fetch_file(self, digest: str, path: Path) -> None:
        """Writes the blob to `path`, which appears only once its digest is verified.

        Raises NotFound, DataLoss (a chunk lost, out of place or changed) or Unavailable.
        """
        staging = path.with_name(f".{path.name}.{os.getpid()}.{id(asyncio.current_task())}")
        try:
            with staging.open("wb") as file:
                async for data in self.fetch(digest):
                    await asyncio.to_thread(file.write, data)
            await asyncio.to_thread(os.replace, staging, path)
        finally:
            staging.unlink(missing_ok=True)

    async def fetch_bytes(self, digest: str) -> bytes:
        """The whole blob in memory, verified; raises as `fetch_file` does."""
        return b"".join([data async for data in self.fetch(digest)])

    async def fetch(self, digest: str) -> AsyncIterator[bytes]:
        """Chunks of the blob in order; raises DataLoss after the last one if they are not it."""
        hasher = hashlib.sha256()
        offset = 0
        for attempt in range(1, _FETCH_ATTEMPTS + 1):
            try:
                async with translated_errors():
                    async for data in self._chunks(digest, offset):
                        hasher.update(data)
                        offset += len(data)
                        yield data
                break
            except Unavailable:
                if attempt == _FETCH_ATTEMPTS:
                    raise
                await asyncio.sleep(0.2 * 2**attempt)
        if hasher.hexdigest() != digest:
            raise DataLoss(f"blob {digest} arrived with another digest")

    async def _chunks(self, digest: str, offset: int) -> AsyncIterator[bytes]:
        request = blob_pb2.FetchRequest(digest=digest, offset=offset)
        async for response in self._stub.Fetch(request, timeout=_TRANSFER_TIMEOUT_SECONDS):
            if response.chunk.offset != offset:
                raise DataLoss(f"blob {digest}: a chunk is missing or out of order")
            offset += len(response.chunk.data)
            yield response.chunk.data


async def _put_requests(path: Path, digest: str) -> AsyncIterator[blob_pb2.PutRequest]:
    size_bytes = path.stat().st_size
    header = blob_pb2.BlobHeader(digest=digest, size_bytes=size_bytes)
    yield blob_pb2.PutRequest(header=header)
    offset = 0
    with path.open("rb") as file:
        while data := await asyncio.to_thread(file.read, CHUNK_BYTES):
            chunk = blob_pb2.BlobChunk(offset=offset, data=data)
            yield blob_pb2.PutRequest(chunk=chunk)
            offset += len(data)
