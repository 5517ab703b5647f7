"""Content-addressed files: verified before anyone can see them, never changed."""

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from learner_service.blobs.references import References
from learner_service.errors import NO_ROOM, UnknownBlob
from tally.host.full_disk import full_disk_as
from tally.host.whole_file import link_or_copy, sync
from tally.rpc.digests import digest_of, digest_of_file
from tally.rpc.errors import DataLoss, ResourceExhausted


class BlobStore:
    """Blobs under `root`, in a folder per first two digits. Safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._staging = root / "staging"
        self._staging.mkdir(parents=True, exist_ok=True)
        self._references = References(root / "references")

    def sweep(self) -> None:
        """Removes what unfinished writers left, and who needs what; only for a start, when there
        are no writers: whoever needs a blob has to say so again."""
        for path in self._staging.iterdir():
            path.unlink()
        self._references.clear()

    def claim(self, digest: str, owner: str) -> None:
        """Keeps the blob, there already or to come, until `owner` releases it.

        What nobody has claimed stays until `delete_unclaimed` comes by.
        """
        with self._references.hold():
            self._references.add(digest, owner)

    def release(self, digest: str, owner: str) -> None:
        """Deletes the blob unless another owner has claimed it."""
        with self._references.hold():
            if self._references.remove(digest, owner):
                self.delete(digest)

    def drop_claim(self, digest: str, owner: str) -> None:
        """Leaves the blob to `delete_unclaimed`, as if it had been put now."""
        with self._references.hold():
            self._references.remove(digest, owner)
        self.touch(digest)

    def touch(self, digest: str) -> bool:
        """Takes the blob for one that was put now; False where there is none."""
        with self._references.hold(), suppress(FileNotFoundError):
            os.utime(self._place(digest))
            return True
        return False

    def delete_unclaimed(self, older_than_seconds: float) -> None:
        """Deletes what nobody has claimed and nobody has put for so long."""
        put_by = time.time() - older_than_seconds
        with self._references.hold():
            claimed = self._references.digests()
            for path in self.root.glob("??/*"):
                with suppress(FileNotFoundError):
                    if path.name not in claimed and path.stat().st_mtime < put_by:
                        path.unlink()

    def path(self, digest: str) -> Path:
        """The blob's file; raises UnknownBlob where there is none."""
        path = self._place(digest)
        if not path.is_file():
            raise UnknownBlob(f"there is no blob {digest}")
        return path

    def open(self, digest: str) -> BinaryIO:
        """The blob, unbuffered; it can be read to its end even if it is deleted meanwhile."""
        try:
            return self._place(digest).open("rb", buffering=0)
        except FileNotFoundError:
            raise UnknownBlob(f"there is no blob {digest}") from None

    def size_bytes(self, digest: str) -> int | None:
        """The blob's size, or None where there is none."""
        try:
            return self._place(digest).stat().st_size
        except FileNotFoundError:
            return None

    def put_bytes(self, data: bytes, *, lasting: bool = True) -> str:
        """Stores `data` and returns its digest; `lasting` as in `write`."""
        digest = digest_of(data)
        if self.touch(digest):
            return digest
        with self.stage() as path:
            path.write_bytes(data)
            if lasting:
                sync(path)
            self.keep(path, digest)
        return digest

    def put_file(self, path: Path, owner: str) -> str:
        """Stores a copy of the file at `path`, claimed for `owner`, and returns its digest.

        Raises DataLoss where the file changes meanwhile.
        """
        digest = digest_of_file(path)
        # First: an equal one may be there, and going with another owner.
        self.claim(digest, owner)
        if self.touch(digest):
            return digest
        with self.write(digest, path.stat().st_size) as writer, path.open("rb") as file:
            offset = 0
            while block := file.read(1024**2):
                writer.append(offset, block)
                offset += len(block)
            writer.commit()
        return digest

    def link_file(self, path: Path, owner: str) -> str:
        """As `put_file`, without a copy: the file must never change, but it may be removed."""
        digest = digest_of_file(path)
        self.claim(digest, owner)
        if not self.touch(digest):
            with self.stage() as staged:
                link_or_copy(path, staged)
                self.keep(staged, digest)
        return digest

    @contextmanager
    def write(
        self, digest: str, size_bytes: int, *, lasting: bool = True
    ) -> Iterator["BlobWriter"]:
        """Takes one blob's bytes in order; without a `commit` nothing of it stays.

        One that is not `lasting` may be gone or torn after a failure of the machine.
        Raises ResourceExhausted where the disk has no room for so many.
        """
        if size_bytes > shutil.disk_usage(self.root).free:
            raise ResourceExhausted(NO_ROOM)
        with self.stage() as path, path.open("xb") as file:
            yield BlobWriter(self, file, digest, size_bytes, lasting)

    @contextmanager
    def stage(self) -> Iterator[Path]:
        """A place for a new file, for `keep`; what is left there when the context ends goes.

        Raises ResourceExhausted when the disk is full.
        """
        path = self._staging / uuid.uuid4().hex
        try:
            with full_disk_as(ResourceExhausted(NO_ROOM)):
                yield path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, staged: Path, digest: str) -> None:
        """Makes a staged file the blob `digest`, which its bytes must have.

        It takes the place of the one that is there: that one may have been left torn by a machine
        that failed before it was on the disk.
        """
        place = self._place(digest)
        place.parent.mkdir(exist_ok=True)
        os.replace(staged, place)

    def delete(self, digest: str) -> None:
        self._place(digest).unlink(missing_ok=True)

    def _place(self, digest: str) -> Path:
        return self.root / digest[:2] / digest


class BlobWriter:
    """The bytes of one blob on their way into the store."""

    def __init__(
        self, store: BlobStore, file: BinaryIO, digest: str, size_bytes: int, lasting: bool
    ) -> None:
        self._store = store
        self._file = file
        self._digest = digest
        self._size_bytes = size_bytes
        self._lasting = lasting
        self._received_bytes = 0
        self._hasher = hashlib.sha256()

    def append(self, offset: int, data: bytes) -> None:
        """Raises DataLoss for a gap or too many bytes, ResourceExhausted when the disk is full."""
        if offset != self._received_bytes:
            raise DataLoss(f"expected the chunk at offset {self._received_bytes}, got {offset}")
        if offset + len(data) > self._size_bytes:
            raise DataLoss(f"more than the announced {self._size_bytes} bytes")
        self._file.write(data)
        self._hasher.update(data)
        self._received_bytes += len(data)

    def commit(self) -> None:
        """Verifies size and digest, then makes the blob visible; raises DataLoss otherwise."""
        if self._received_bytes != self._size_bytes:
            raise DataLoss(f"expected {self._size_bytes} bytes, got {self._received_bytes}")
        if self._hasher.hexdigest() != self._digest:
            raise DataLoss(f"the bytes are not those of {self._digest}")
        self._file.flush()
        path = Path(self._file.name)
        if self._lasting:
            sync(path)
        self._store.keep(path, self._digest)
