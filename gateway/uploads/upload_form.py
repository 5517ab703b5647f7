"""The form of POST /upload-data: a ZIP of training data, and how it is to be read."""

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeVar

from gateway.errors import Unprocessable
from gateway.http.receiving import FormShape, IncomingForm, receive_form
from gateway.settings import GatewaySettings
from gateway.uploads.reading import Reading
from gateway.uploads.text_encoding import check_encoding
from tally.annotations.questions import QuestionLanguage
from tally.messages.languages import Language
from tally.messages.message import Message

Choice = TypeVar("Choice", bound=StrEnum)
_MOST_BYTES = 100


class OnBadRows(StrEnum):
    """What is done where rows are wrong: the upload is refused, or they are left out."""

    REFUSE = "refuse"
    SKIP = "skip"


class ZeroCounts(StrEnum):
    """Whether annotations also ask for what a picture shows none of."""

    LEAVE_OUT = "leave_out"
    INCLUDE = "include"


class Upload(NamedTuple):
    """A ZIP of training data that has arrived whole, and the language that its sender reads."""

    path: Path
    filename: str
    digest: str
    on_bad_rows: OnBadRows
    reading: Reading
    language: Language


# The texts of the form, each with the most bytes of it.
_TEXTS = dict.fromkeys(("encoding", "on_bad_rows", "question_language", "zero_counts"), _MOST_BYTES)


async def receive_upload(incoming: IncomingForm, folder: Path, settings: GatewaySettings) -> Upload:
    """Streams the part `file` into `folder`; raises Unprocessable or TooLarge."""
    missing = Message("zip_part_missing", part="file")
    shape = FormShape("file", missing, settings.max_upload_bytes, _TEXTS)
    form = await receive_form(incoming, folder, shape)
    encoding = form.texts.get("encoding")
    zero_counts = _choose(form.texts, "zero_counts", ZeroCounts.LEAVE_OUT)
    reading = Reading(
        check_encoding(encoding) if encoding else None,
        _choose(form.texts, "question_language", QuestionLanguage.ENGLISH),
        zero_counts is ZeroCounts.INCLUDE,
    )
    return Upload(
        form.path,
        form.filename,
        form.digest,
        _choose(form.texts, "on_bad_rows", OnBadRows.REFUSE),
        reading,
        incoming.language,
    )


def _choose(texts: dict[str, str], name: str, default: Choice) -> Choice:
    """The choice that is named; raises Unprocessable that lists those there are."""
    kind = type(default)
    try:
        return kind(texts.get(name) or default)
    except ValueError:
        choices = ", ".join(one.value for one in kind)
        raise Unprocessable.at(name, Message("choice_unknown", choices=choices)) from None
