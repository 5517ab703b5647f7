"""Uploads."""

from collections.abc import Mapping
from typing import Any, BinaryIO

from tally.client.answers import FilePublic, RowsPage, UploadAnswer
from tally.client.call import UPLOAD_SECONDS, Call, Part, delete, read_bytes, read_json


def upload_data(
    file: BinaryIO, filename: str, settings: Mapping[str, Any] | None = None
) -> Call[UploadAnswer]:
    """Sends a ZIP, and waits until it is checked; it is read as it is sent.

    `settings` may have encoding, on_bad_rows, question_language, zero_counts.
    """
    return Call(
        method="POST",
        route="/upload-data",
        part=Part("file", filename, file),
        texts=settings or {},
        read=read_json,
        timeout_seconds=UPLOAD_SECONDS,
    )


def list_files() -> Call[list[FilePublic]]:
    """The newest first."""
    return Call(method="GET", route="/files", read=read_json)


def delete_file(file_id: str) -> Call[FilePublic]:
    """Refused with 409 while a job or a comparison that has not ended uses it."""
    return delete("/files/{file_id}", {"file_id": file_id})


def list_rows(file_id: str, offset: int = 0, limit: int = 100) -> Call[RowsPage]:
    """Rows of an upload, at most 1,000 at once."""
    return Call(
        method="GET",
        route="/files/{file_id}/rows",
        ids={"file_id": file_id},
        query={"offset": offset, "limit": limit},
        read=read_json,
    )


def get_picture(file_id: str, row: int, max_side: int | None = None) -> Call[bytes]:
    """The picture of a row as it is kept; with `max_side` pixels at most, a JPEG."""
    return Call(
        method="GET",
        route="/files/{file_id}/images/{row}",
        ids={"file_id": file_id, "row": row},
        query={"max_side": max_side},
        read=read_bytes,
    )
