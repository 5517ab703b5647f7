"""The form of POST /upload-data: a ZIP of training data, and its encoding."""

from pathlib import Path
from typing import NamedTuple

from gateway.http.receiving import FormShape, IncomingForm, receive_form
from gateway.settings import GatewaySettings
from gateway.uploads.text_encoding import check_encoding


class Upload(NamedTuple):
    """A ZIP of training data that has arrived whole."""

    path: Path
    filename: str
    digest: str
    encoding: str | None


async def receive_upload(incoming: IncomingForm, folder: Path, settings: GatewaySettings) -> Upload:
    """Streams the part `file` into `folder`; raises Unprocessable or TooLarge."""
    shape = FormShape("file", "the ZIP", settings.max_upload_bytes, {"encoding": 100})
    form = await receive_form(incoming, folder, shape)
    encoding = form.texts.get("encoding")
    checked = check_encoding(encoding) if encoding else None
    return Upload(form.path, form.filename, form.digest, checked)
