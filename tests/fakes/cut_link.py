"""A connection between a worker and its service that can be cut, and mended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from learner_service.blobs.blob_store import BlobStore
from learner_service.queue.worker_links import WorkerLinks
from learner_service.worker_servicer import serve_workers

_BLOCK_BYTES = 64 * 1024


class CutLink:
    """A port in front of the socket `path`; while it is cut, who is connected is not, and nobody
    gets through."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self.cuts = 0

    def cut(self) -> None:
        self._is_cut = True
        self.cuts += 1
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        to_reader, to_writer = await asyncio.open_unix_connection(self._path)
        both = {writer, to_writer}
        self._writers |= both
        await asyncio.gather(_copy(reader, to_writer), _copy(to_reader, writer))
        self._writers -= both


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await reader.read(_BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def served_links(blobs: BlobStore) -> AsyncIterator[tuple[WorkerLinks, CutLink]]:
    """Links whose workers come through a connection that can be cut."""
    links = WorkerLinks()
    async with serve_workers(links, blobs):
        cut_link = CutLink(links.address.replace("unix-abstract:", "\0"))
        server = await asyncio.start_server(cut_link.connect, "127.0.0.1", 0)
        links.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield links, cut_link
        finally:
            server.close()
            cut_link.cut()
