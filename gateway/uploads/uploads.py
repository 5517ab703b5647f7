"""An upload from its first byte to its row: received, judged, kept, or gone without a trace."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gateway.http.receiving import IncomingForm
from gateway.reward_client import RewardClient
from gateway.settings import GatewaySettings
from gateway.storage import Storage, keep
from gateway.times import now
from gateway.uploads.adapter_archive import is_adapter, read_prompt, write_adapter
from gateway.uploads.archive import Archive
from gateway.uploads.bad_rows import BadRow, BadRows
from gateway.uploads.checking import Check, Checker
from gateway.uploads.dataset import CountedRow, write_dataset, write_rows
from gateway.uploads.file_models import ADAPTER, StoredFile
from gateway.uploads.file_quota import FileQuota
from gateway.uploads.file_store import FileStore
from gateway.uploads.parquet import ParquetUploads
from gateway.uploads.repeats import judge_repeats
from gateway.uploads.rows import Row, Table
from gateway.uploads.table import read_table
from gateway.uploads.upload_form import OnBadRows, Upload, receive_upload
from tally.host.whole_file import sync
from tally.messages.languages import Language
from tally.rpc.digests import digest_of_file
from tally.traces.spans import span

_DATASET = "dataset.zip"
_ROWS = "rows.jsonl"


class TakenUpload(NamedTuple):
    """What was stored, the rows that were left out, and the language that its sender reads."""

    file: StoredFile
    bad_rows: list[BadRow]
    language: Language


class _ReadUpload(NamedTuple):
    archive: Archive
    table: Table
    bad: BadRows


class Uploads:
    """Takes uploads in."""

    def __init__(
        self,
        settings: GatewaySettings,
        storage: Storage,
        store: FileStore,
        reward: RewardClient,
        checker: Checker,
        *,
        note: Callable[[int], None],
    ) -> None:
        """`note` is told the bytes of each upload that was taken in."""
        self._note = note
        self._settings = settings
        self._storage = storage
        self._store = store
        self._reward = reward
        self._checker = checker
        self._quota = FileQuota(settings, storage, store)
        self._parquet = ParquetUploads(settings)

    async def take(self, incoming: IncomingForm, owner: str) -> TakenUpload:
        """Stores what the form uploads; raises ApiError, or TallyError of the reward service."""
        await self._store.run(self._quota.check, owner)  # before its body is taken in
        with self._storage.staging() as folder:
            with span("receive upload"):
                upload = await receive_upload(incoming, folder, self._settings)
            bad = BadRows(skip=upload.on_bad_rows is OnBadRows.SKIP)
            size_bytes = upload.path.stat().st_size
            archive = await self._open(upload)
            adapter = self._stage_adapter(upload, archive, folder)
            file = await self._checker.run(adapter, size_bytes)
            if file is None:
                upload, archive = await self._convert(upload, archive, folder)
                file = await self._stage_data(upload, archive, bad, folder)
            file.owner = owner
            dataset_bytes = (folder / _DATASET).stat().st_size
            async with self._storage.hold_datasets():
                await self._store.run(self._quota.check, owner, file.dataset_digest, dataset_bytes)
                await asyncio.to_thread(self._keep, file, folder)
                await self._store.run(self._store.add, file)
            self._note(size_bytes)
            return TakenUpload(file, bad.in_order(), upload.language)

    async def _open(self, upload: Upload) -> Archive:
        def check() -> Check[Archive]:
            yield
            return Archive(upload.path, self._settings, upload.reading.encoding)

        return await self._checker.run(check(), upload.path.stat().st_size)

    async def _convert(
        self, upload: Upload, archive: Archive, folder: Path
    ) -> tuple[Upload, Archive]:
        """With a table that is read here, in the place of one of Parquet."""
        size_bytes = upload.path.stat().st_size
        paths = await self._checker.run(self._parquet.extract(archive, folder), size_bytes)
        if not paths:
            return upload, archive
        with span("convert Parquet", files=len(paths)):
            path = await self._parquet.convert(paths, folder)
            # No encoding is asked for of what is written here.
            converted = upload._replace(path=path, reading=upload.reading._replace(encoding=None))
            return converted, await self._open(converted)

    def _stage_adapter(
        self, upload: Upload, archive: Archive, folder: Path
    ) -> Check[StoredFile | None]:
        """As `_stage`, of an upload that is an adapter; None for any other."""
        yield
        if not is_adapter(archive):
            return None
        digest = yield from write_adapter(archive, folder / _DATASET, self._settings)
        prompt = read_prompt(archive).model_dump()
        return _describe(upload, folder, digest, kind=ADAPTER, prompt=prompt)

    async def _stage_data(
        self, upload: Upload, archive: Archive, bad: BadRows, folder: Path
    ) -> StoredFile:
        """As `_stage`, once its rows are read and their answers understood."""
        size_bytes = archive.size_bytes
        with span("read table", size_bytes=size_bytes):
            read = await self._checker.run(self._read(upload, archive, bad), size_bytes)
        counted = await self._count(read.table.rows, bad)
        check = self._stage(upload, read, counted, folder)
        with span("check images", rows=len(counted)):
            return await self._checker.run(check, size_bytes)

    def _read(self, upload: Upload, archive: Archive, bad: BadRows) -> Check[_ReadUpload]:
        yield
        table = yield from read_table(archive, upload.reading, self._settings, bad)
        return _ReadUpload(archive, table, bad)

    async def _count(self, rows: list[Row], bad: BadRows) -> list[CountedRow]:
        """The rows with their true counts; those without one are added to `bad`."""
        asked = [row for row in rows if row.true_count is None]
        parsed = await self._reward.parse([row.answer for row in asked])
        counts = {row.number: row.true_count for row in rows}
        for row, answer in zip(asked, parsed, strict=True):
            counts[row.number] = None if answer.why else answer.count
            if answer.why:
                bad.add(row.number, answer.why)
        counted = [
            CountedRow(row, count) for row in rows if (count := counts[row.number]) is not None
        ]
        bad.settle(rows_left=len(counted))
        return counted

    def _stage(
        self, upload: Upload, read: _ReadUpload, counted: list[CountedRow], folder: Path
    ) -> Check[StoredFile]:
        """Leaves in `folder` what `_keep` takes from there."""
        archive, table, bad = read
        counted, repeats = judge_repeats(counted, bad)
        dataset = yield from write_dataset(archive, counted, folder / _DATASET, self._settings, bad)
        warnings = [*table.warnings, *repeats, *dataset.warnings]
        return _describe(
            upload,
            folder,
            digest_of_file(folder / _DATASET),
            rows=dataset.rows,
            csv_rows=table.row_count,
            valid_images=dataset.valid_images,
            skipped_rows=len(bad),
            warnings=[one.say(upload.language) for one in warnings],
        )

    def _keep(self, file: StoredFile, folder: Path) -> None:
        keep(folder / _DATASET, self._storage.dataset_path(file.dataset_digest))
        keep(folder / _ROWS, self._storage.rows_path(file.file_id))


def _describe(
    upload: Upload, folder: Path, digest: str, rows: Sequence[Row] = (), **facts: Any
) -> StoredFile:
    """The row of an upload whose blob of this digest is in `folder`, where its rows go, too."""
    write_rows(rows, folder / _ROWS)
    for name in (_DATASET, _ROWS):
        sync(folder / name)
    nothing: dict[str, Any] = {"csv_rows": 0, "valid_images": 0, "warnings": []}
    return StoredFile(
        file_id=str(uuid.uuid4()),
        filename=upload.filename,
        upload_time=now(),
        upload_digest=upload.digest,
        dataset_digest=digest,
        **nothing | facts,
    )
