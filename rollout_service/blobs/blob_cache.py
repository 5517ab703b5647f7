"""Blobs on disk by digest: fetched once however many ask, verified, bounded, oldest out first."""

import asyncio
import logging
import re
import shutil
import time
import uuid
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from rollout_service.errors import BlobTooLarge, CacheFull
from tally.host.full_disk import full_disk_as
from tally.host.locks import InUse, lock_file
from tally.host.lookups import Lookups
from tally.rpc.blobs import BlobClient
from tally.traces.spans import span

_log = logging.getLogger(__name__)
_OUR_NAME = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]{32})?")
_LOCK_NAME = ".tally-rollout.lock"

Kind = Literal["adapter", "image"]


@dataclass(kw_only=True)
class _Entry:
    """A blob that is here (`size_bytes`) or on its way (`fetching`), and how many hold it."""

    holders: int = 0
    last_held: float = 0.0  # on the monotonic clock
    size_bytes: int | None = None
    fetching: asyncio.Task[None] | None = None


class BlobCache:
    """Blobs in `folder`, at most `max_bytes` of them; the folder belongs to one process.

    `fetches` and `fetched_bytes` count, by kind, what was fetched whole.
    """

    def __init__(self, folder: Path, max_bytes: int, client: BlobClient) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._client = client
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._used_bytes = 0  # by blobs that are here and those on their way
        self._expected_bytes = 0  # by those on their way
        self.lookups = Lookups()
        self.fetches: Counter[Kind] = Counter()
        self.fetched_bytes: Counter[Kind] = Counter()
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(folder)
        _sweep(folder)

    @asynccontextmanager
    async def hold(self, digest: str, kind: Kind = "image") -> AsyncIterator[Path]:
        """The blob's file, fetched if it is not here; it stays while the context is open.

        Raises NotFound, DataLoss or Unavailable as the fetch does, BlobTooLarge and CacheFull.
        """
        entry = self._entries.setdefault(digest, _Entry())
        self._entries.move_to_end(digest)
        entry.holders += 1
        try:
            await self._wait_for(digest, entry, kind)
            yield self._folder / digest
        finally:
            entry.holders -= 1
            entry.last_held = time.monotonic()
            self._let_go(digest, entry)

    async def drop_unused(self, unused_seconds: float) -> None:
        """Runs on: what nobody has asked for in that time goes, whatever room there is, since it
        may have been deleted where it came from."""
        while True:
            await asyncio.sleep(unused_seconds / 4)
            unused_since = time.monotonic() - unused_seconds
            for digest, entry in list(self._entries.items()):
                is_here = entry.size_bytes is not None
                if is_here and not entry.holders and entry.last_held < unused_since:
                    self._evict(digest, entry)

    @property
    def used_bytes(self) -> int:
        """By blobs that are here and those on their way."""
        return self._used_bytes

    def close(self) -> None:
        self._lock.close()

    async def _wait_for(self, digest: str, entry: _Entry, kind: Kind) -> None:
        self.lookups.note(entry.size_bytes is not None)
        if entry.size_bytes is not None:
            return
        if entry.fetching is None:
            entry.fetching = asyncio.create_task(self._fetch(digest, entry, kind))
        with span("wait for blob", digest=digest):
            # One caller that gives up must not end the fetch for the others.
            await asyncio.shield(entry.fetching)

    def _let_go(self, digest: str, entry: _Entry) -> None:
        """A fetch ends with the last caller that waits for it."""
        if entry.holders or entry.size_bytes is not None:
            return
        if entry.fetching:
            entry.fetching.cancel()
        self._forget(digest, entry)

    def _forget(self, digest: str, entry: _Entry) -> None:
        if self._entries.get(digest) is entry:
            del self._entries[digest]

    async def _fetch(self, digest: str, entry: _Entry, kind: Kind) -> None:
        staging = self._folder / f"{digest}.{uuid.uuid4().hex}"
        reserved: list[int] = []

        def admit(size_bytes: int) -> None:
            self._reserve(digest, size_bytes)
            reserved.append(size_bytes)

        try:
            full = CacheFull("no room in the replica's cache folder; try again later")
            with full_disk_as(full), staging.open("xb") as file:
                size_bytes = await self._client.fetch(digest, file, admit)
            staging.replace(self._folder / digest)
            entry.size_bytes = size_bytes
            self.fetches[kind] += 1
            self.fetched_bytes[kind] += size_bytes
        finally:
            staging.unlink(missing_ok=True)
            self._expected_bytes -= sum(reserved)
            if entry.size_bytes is None:
                self._used_bytes -= sum(reserved)
                self._forget(digest, entry)

    def _reserve(self, digest: str, size_bytes: int) -> None:
        """Makes room for a blob that is about to arrive, before its first byte is written."""
        if size_bytes > self._max_bytes:
            raise BlobTooLarge(f"blob {digest} is larger than {self._max_bytes} bytes")
        idle = [(d, e) for d, e in self._entries.items() if e.size_bytes is not None]
        for idle_digest, entry in idle:
            if self._has_room(size_bytes):
                break
            if not entry.holders:
                self._evict(idle_digest, entry)
        if not self._has_room(size_bytes):
            raise CacheFull("the blobs of the calls in progress fill the cache; try again later")
        self._used_bytes += size_bytes
        self._expected_bytes += size_bytes

    def _has_room(self, size_bytes: int) -> bool:
        """Within the bound, and in the file system, which others may be filling."""
        free_bytes = shutil.disk_usage(self._folder).free - self._expected_bytes
        return self._used_bytes + size_bytes <= self._max_bytes and size_bytes <= free_bytes

    def _evict(self, digest: str, entry: _Entry) -> None:
        (self._folder / digest).unlink(missing_ok=True)
        self._used_bytes -= entry.size_bytes or 0
        self._forget(digest, entry)


def _lock(folder: Path) -> IO[bytes]:
    """Holds the folder for this process; a second one would sweep the first one's blobs."""
    try:
        return lock_file(folder / _LOCK_NAME)
    except InUse:
        raise RuntimeError(f"another process uses the cache folder {folder}") from None


def _sweep(folder: Path) -> None:
    """Removes what an earlier process left, and nothing that this cache did not write."""
    left = [path for path in folder.iterdir() if _OUR_NAME.fullmatch(path.name)]
    for path in left:
        path.unlink()
    if left:
        _log.info("removed %d blobs of an earlier run", len(left))
