"""The client of the blob store: what the gateway puts and what every fetcher verifies."""

import asyncio
import functools
import hashlib
import os
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import grpc

from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.rpc.errors import DataLoss, Unavailable, translate_errors

MOST_CHUNK_BYTES = 1024**2  # the contract's bound
CHUNK_BYTES = 512 * 1024
BATCH_CHUNKS = 4  # read, hashed and written at a time, in a thread: each hop has its price
_WAITING_BATCHES = 4
IDEMPOTENT_METHODS = ("tally.blob.v1.BlobService/Stat",)
_FETCH_ATTEMPTS = 4
_TRANSFER_TIMEOUT_SECONDS = 600.0

Admit = Callable[[int], None]
_Responses = AsyncIterable[blob_pb2.FetchResponse]


@functools.cache
def keep_freed_buffers() -> None:
    """Lets malloc use a chunk's buffers again instead of giving each back to the kernel.

    Above a threshold glibc asks the kernel for every buffer, which has to clear its pages; at a
    chunk's size that costs as much as all else on its way. The threshold rises to the largest such
    buffer that was freed (mallopt(3), M_MMAP_THRESHOLD), so freeing one is enough.
    """
    bytes(16 * 1024**2)


def _admit_all(size_bytes: int) -> None:
    pass


class BlobClient:
    """Stat, put and fetch by digest; a fetch that breaks off goes on where it was.

    Example, where a blob store answers at `target` and `folder` holds `adapter.zip`:
        >>> from tally.rpc.digests import digest_of_file
        >>> async def send_and_fetch() -> str:
        ...     digest = digest_of_file(folder / "adapter.zip")
        ...     async with grpc.aio.insecure_channel(target) as channel:
        ...         client = BlobClient(channel)
        ...         await client.put_file(folder / "adapter.zip", digest)
        ...         await client.fetch_file(digest, folder / "copy.zip")
        ...     return (folder / "copy.zip").read_text()
        >>> asyncio.run(send_and_fetch())
        'weights'
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = blob_pb2_grpc.BlobServiceStub(channel)
        keep_freed_buffers()

    async def exists(self, digest: str) -> bool:
        async with translate_errors():
            response = await self._stub.Stat(blob_pb2.StatRequest(digest=digest))
        return response.exists

    async def put_file(self, path: Path, digest: str) -> bool:
        """Stores the file at `path` under `digest`; returns False where it was there already."""
        if await self.exists(digest):
            return False
        return await self.send_file(path, digest)

    async def send_file(self, path: Path, digest: str) -> bool:
        """As `put_file`, without asking first whether it is there."""
        async with translate_errors():
            response = await self._stub.Put(
                _put_requests(path, digest), timeout=_TRANSFER_TIMEOUT_SECONDS
            )
        return response.created

    async def fetch_file(self, digest: str, path: Path) -> None:
        """Writes the blob to `path`, which appears only once its digest is verified.

        Raises as `fetch` does.
        """
        staging = path.with_name(f".{path.name}.{os.getpid()}.{id(asyncio.current_task())}")
        try:
            with staging.open("wb") as file:
                await self.fetch(digest, file)
            await asyncio.to_thread(os.replace, staging, path)
        finally:
            staging.unlink(missing_ok=True)

    async def fetch(self, digest: str, file: BinaryIO, admit: Admit = _admit_all) -> int:
        """Writes the blob to `file` and returns its size in bytes, once it is verified.

        `admit` is told the size before the first byte is written, and may raise. Raises NotFound,
        DataLoss (a chunk lost, out of place or changed) or Unavailable; what `file` holds is then
        no blob.
        """
        loop = asyncio.get_running_loop()
        hasher = hashlib.sha256()
        size_bytes = 0

        def absorb(chunks: list[bytes]) -> None:
            for chunk in chunks:
                hasher.update(chunk)
                file.write(chunk)

        # Chunks are hashed and written while the next ones arrive. The thread ends before `file`
        # can be closed, whatever ends this call.
        with ThreadPoolExecutor(max_workers=1) as thread:
            absorbing: deque[asyncio.Future[None]] = deque()
            async for chunks in self._batches(digest, admit):
                if len(absorbing) == _WAITING_BATCHES:
                    await absorbing.popleft()
                size_bytes += sum(map(len, chunks))
                absorbing.append(loop.run_in_executor(thread, absorb, chunks))
            for left in absorbing:
                await left
        if hasher.hexdigest() != digest:
            raise DataLoss(f"blob {digest} arrived with another digest")
        return size_bytes

    async def _batches(self, digest: str, admit: Admit) -> AsyncIterator[list[bytes]]:
        """The blob's chunks in order, `BATCH_CHUNKS` at a time."""
        batch: list[bytes] = []
        async for chunk in self._chunks(digest, admit):
            batch.append(chunk)
            if len(batch) == BATCH_CHUNKS:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _chunks(self, digest: str, admit: Admit) -> AsyncIterator[bytes]:
        """The blob's chunks in order, from as many calls as it takes."""
        offset = 0
        total_size_bytes = None
        for attempt in range(1, _FETCH_ATTEMPTS + 1):
            try:
                async with self._open_fetch(digest, offset) as responses:
                    async for response in responses:
                        if total_size_bytes is None:
                            total_size_bytes = response.total_size_bytes
                            admit(total_size_bytes)
                        data = response.chunk.data
                        if response.chunk.offset != offset:
                            raise DataLoss(f"blob {digest}: a chunk is missing or out of order")
                        offset += len(data)
                        if offset > total_size_bytes:
                            raise DataLoss(f"blob {digest}: more bytes than announced")
                        yield data
                return
            except Unavailable:
                if attempt == _FETCH_ATTEMPTS:
                    raise
                await asyncio.sleep(0.2 * 2**attempt)

    @asynccontextmanager
    async def _open_fetch(self, digest: str, offset: int) -> AsyncIterator[_Responses]:
        """One call; it ends with the context, in the middle of the stream too."""
        request = blob_pb2.FetchRequest(digest=digest, offset=offset)
        call = self._stub.Fetch(request, timeout=_TRANSFER_TIMEOUT_SECONDS)
        try:
            async with translate_errors():
                yield call
        finally:
            call.cancel()


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
