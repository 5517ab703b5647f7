"""The form of POST /upload-data: a ZIP of training data, and its encoding."""

from pathlib import Path
from typing import NamedTuple

from gateway.http.receiving import FormShape, IncomingForm, receive_form
from gateway.messages.languages import Language
from gateway.messages.message import Message
from gateway.settings import GatewaySettings
from gateway.uploads.text_encoding import check_encoding


class Upload(NamedTuple):
    """A ZIP of training data that has arrived whole, and the language that its sender reads."""

    path: Path
    filename: str
    digest: str
    encoding: str | None
    language: Language


async def receive_upload(incoming: IncomingForm, folder: Path, settings: GatewaySettings) -> Upload:
    """Streams the part `file` into `folder`; raises Unprocessable or TooLarge."""
    missing = Message("zip_part_missing", part="file")
    shape = FormShape("file", missing, settings.max_upload_bytes, {"encoding": 100})
    form = await receive_form(incoming, folder, shape)
    encoding = form.texts.get("encoding")
    checked = check_encoding(encoding) if encoding else None
    return Upload(form.path, form.filename, form.digest, checked, incoming.language)
