"""Rows of uploads."""

from gateway.database import Database
from gateway.errors import Missing
from gateway.ids import is_uuid
from gateway.uploads.file_models import StoredFile


def stored_file(database: Database, file_id: str, field: str) -> StoredFile:
    """The upload; raises Missing that names `field`. To be called off the event loop."""
    with database.reading() as session:
        file = session.get(StoredFile, file_id) if is_uuid(file_id) else None
    if file is None:
        raise Missing.at(field, "no such file; use a file_id that POST /upload-data answered")
    return file
