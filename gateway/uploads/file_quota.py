"""How many files an owner may have, and of how many bytes together."""

from collections.abc import Collection

from gateway.errors import TooLarge
from gateway.settings import MIB, GatewaySettings
from gateway.storage import Storage, size_bytes
from gateway.uploads.file_store import FileStore
from tally.messages.message import Message


class FileQuota:
    """Sync. Raises SQLAlchemyError where the database is away."""

    def __init__(self, settings: GatewaySettings, storage: Storage, store: FileStore) -> None:
        self._most_files = settings.max_files_per_owner
        self._most_bytes = settings.max_file_bytes_per_owner
        self._storage = storage
        self._store = store

    def check(self, owner: str, digest: str | None = None, dataset_bytes: int = 1) -> None:
        """Raises TooLarge where the owner has no room for one more, of this dataset."""
        if self._most_files is None and self._most_bytes is None:
            return
        files = self._store.newest_first(owner)
        if self._most_files is not None and len(files) >= self._most_files:
            message = Message("too_many_files", files=len(files), most=self._most_files)
            raise TooLarge.at("file", message)
        digests = {file.dataset_digest for file in files}
        if self._most_bytes is not None and digest not in digests:  # equal ones are kept once
            self._check_bytes(digests, dataset_bytes, self._most_bytes)

    def _check_bytes(self, digests: Collection[str], more_bytes: int, most_bytes: int) -> None:
        used_bytes = sum(size_bytes(self._storage.dataset_path(one)) for one in digests)
        if used_bytes + more_bytes > most_bytes:
            message = Message(
                "too_many_file_bytes",
                used_mib=used_bytes / MIB,
                most_mib=most_bytes / MIB,
                more_mib=more_bytes / MIB,
            )
            raise TooLarge.at("file", message)
