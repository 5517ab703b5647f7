"""Rows of uploads: added, and found."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam
from sqlmodel import select

from gateway.access.callers import Caller
from gateway.errors import Missing, Unprocessable
from gateway.ids import is_uuid
from gateway.uploads.file_models import ADAPTER, DATA, FileKind, StoredFile
from tally.database.database import Database
from tally.messages.message import Message

_FILES: Any = StoredFile.__table__  # type: ignore[attr-defined]
_WRONG_KIND: dict[FileKind, Message] = {
    DATA: Message("file_no_data"),
    ADAPTER: Message("file_no_adapter"),
}
_WITH_ID = _FILES.select().where(_FILES.c.file_id == bindparam("asked_id"))


class KeptUploads(NamedTuple):
    """What the files of the uploads are named after."""

    file_ids: set[str]
    dataset_digests: set[str]


class FileStore:
    """Sync; to be called through `run`. Raises SQLAlchemyError where the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.run = database.run

    def add(self, file: StoredFile) -> None:
        with self._database.writing() as session:
            session.add(file)

    def get_for(
        self, caller: Caller, file_id: str, field: str = "file_id", kind: FileKind | None = None
    ) -> StoredFile:
        """The caller's upload; raises Missing or Forbidden that names `field`, and Unprocessable
        for one that is not of the `kind`."""
        file = self._find(file_id) if is_uuid(file_id) else None
        if file is None:
            raise Missing.at(field, Message("no_such_file"))
        caller.check_is_own(file.owner, field)
        if kind is not None and file.kind != kind:
            raise Unprocessable.at(field, _WRONG_KIND[kind])
        return file

    def _find(self, file_id: str) -> StoredFile | None:
        return next(iter(self._database.select(StoredFile, _WITH_ID, asked_id=file_id)), None)

    def newest_first(self, owner: str | None) -> Sequence[StoredFile]:
        """An owner's uploads; everybody's where `owner` is None."""
        query = _FILES.select().order_by(_FILES.c.upload_time.desc(), _FILES.c.file_id)
        if owner is not None:
            query = query.where(_FILES.c.owner == owner)
        return self._database.select(StoredFile, query)

    def kept_uploads(self) -> KeptUploads:
        query = select(StoredFile.file_id, StoredFile.dataset_digest)
        with self._database.reading() as session:
            rows = session.exec(query).all()
        return KeptUploads({file_id for file_id, _ in rows}, {digest for _, digest in rows})
