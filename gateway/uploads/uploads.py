"""An upload from its first byte to its row: received, judged, kept, or gone without a trace."""

import asyncio
import uuid
from pathlib import Path

from gateway.errors import Problem, refuse
from gateway.http.receiving import IncomingForm
from gateway.reward_client import RewardClient
from gateway.settings import GatewaySettings
from gateway.storage import Storage, keep
from gateway.times import now
from gateway.uploads.archive import Archive
from gateway.uploads.checking import Check, Checker
from gateway.uploads.csv_table import Row, duplicate_warnings, read_rows
from gateway.uploads.dataset import write_dataset, write_rows
from gateway.uploads.entries import CSV_NAME
from gateway.uploads.file_models import StoredFile
from gateway.uploads.file_quota import FileQuota
from gateway.uploads.file_store import FileStore
from gateway.uploads.text_encoding import decode
from gateway.uploads.upload_form import Upload, receive_upload
from tally.host.whole_file import sync
from tally.rpc.digests import digest_of_file

_DATASET = "dataset.zip"
_ROWS = "rows.jsonl"


class Uploads:
    """Takes uploads in."""

    def __init__(
        self,
        settings: GatewaySettings,
        storage: Storage,
        store: FileStore,
        reward: RewardClient,
        checker: Checker,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._store = store
        self._reward = reward
        self._checker = checker
        self._quota = FileQuota(settings, storage, store)

    async def take(self, incoming: IncomingForm, owner: str) -> StoredFile:
        """Stores what the form uploads; raises ApiError, or TallyError of the reward service."""
        await self._store.run(self._quota.check, owner)  # before its body is taken in
        with self._storage.staging() as folder:
            upload = await receive_upload(incoming, folder, self._settings)
            size_bytes = upload.path.stat().st_size
            archive, rows = await self._checker.run(self._read_table(upload), size_bytes)
            counts = await self._counts(rows)
            check = self._stage(upload, archive, rows, counts, folder)
            file = await self._checker.run(check, size_bytes)
            file.owner = owner
            dataset_bytes = (folder / _DATASET).stat().st_size
            async with self._storage.hold_datasets():
                await self._store.run(self._quota.check, owner, file.dataset_digest, dataset_bytes)
                await asyncio.to_thread(self._keep, file, folder)
                await self._store.run(self._store.add, file)
            return file

    def _read_table(self, upload: Upload) -> Check[tuple[Archive, list[Row]]]:
        yield
        archive = Archive(upload.path, self._settings, upload.encoding)
        yield
        data = archive.read(CSV_NAME, self._settings.max_csv_bytes)
        yield
        return archive, (yield from read_rows(decode(data, upload.encoding), self._settings))

    async def _counts(self, rows: list[Row]) -> list[int]:
        """The true count of each row; raises Unprocessable that lists rows without one."""
        parsed = await self._reward.parse([row.answer for row in rows])
        pairs = list(zip(rows, parsed, strict=True))
        refuse([Problem(f"row {row.number}", answer.why) for row, answer in pairs if answer.why])
        return [answer.count for answer in parsed]

    def _stage(
        self, upload: Upload, archive: Archive, rows: list[Row], counts: list[int], folder: Path
    ) -> Check[StoredFile]:
        """Leaves in `folder` what `_keep` takes from there."""
        duplicates = duplicate_warnings(rows, counts)
        dataset = yield from write_dataset(archive, rows, counts, folder / _DATASET, self._settings)
        write_rows(rows, folder / _ROWS)
        for name in (_DATASET, _ROWS):
            sync(folder / name)
        return StoredFile(
            file_id=str(uuid.uuid4()),
            filename=upload.filename,
            csv_rows=len(rows),
            valid_images=dataset.valid_images,
            upload_time=now(),
            warnings=[one.say(upload.language) for one in (*duplicates, *dataset.warnings)],
            upload_digest=upload.digest,
            dataset_digest=digest_of_file(folder / _DATASET),
        )

    def _keep(self, file: StoredFile, folder: Path) -> None:
        keep(folder / _DATASET, self._storage.dataset_path(file.dataset_digest))
        keep(folder / _ROWS, self._storage.rows_path(file.file_id))
