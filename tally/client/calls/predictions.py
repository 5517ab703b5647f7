"""Answers about pictures."""

from collections.abc import Mapping
from typing import Any, BinaryIO

from tally.client.answers import BatchPublic, Prediction
from tally.client.call import (
    ANSWER_SECONDS,
    UPLOAD_SECONDS,
    Call,
    Part,
    delete,
    read_bytes,
    read_json,
)

_ONE = "/predictions/{prediction_id}"


def predict(image: BinaryIO, filename: str, settings: Mapping[str, Any]) -> Call[Prediction]:
    """What the base model says of a picture, and a job's adapter beside it.

    `settings` has question, and may have job_id, checkpoint, model, max_image_size, max_new_tokens.
    """
    return Call(
        method="POST",
        route="/predict",
        part=Part("image", filename, image, "application/octet-stream"),
        texts=settings,
        read=read_json,
        timeout_seconds=ANSWER_SECONDS,
    )


def predict_all(file: BinaryIO, filename: str, settings: Mapping[str, Any]) -> Call[BatchPublic]:
    """Asks about every picture of a ZIP; `watch` follows it by its prediction_id.

    `settings` has question, and may have job_id, checkpoint, abstain_below, model, max_image_size,
    max_new_tokens.
    """
    return Call(
        method="POST",
        route="/predictions",
        part=Part("file", filename, file),
        texts=settings,
        read=read_json,
        timeout_seconds=UPLOAD_SECONDS,
    )


def list_predictions(job_id: str | None = None) -> Call[list[BatchPublic]]:
    """The newest first; of one job's adapter with its id."""
    return Call(method="GET", route="/predictions", query={"job_id": job_id}, read=read_json)


def get_prediction(prediction_id: str) -> Call[BatchPublic]:
    """Where it stands."""
    return Call(method="GET", route=_ONE, ids={"prediction_id": prediction_id}, read=read_json)


def get_answers(prediction_id: str, abstain_below: float | None = None) -> Call[bytes]:
    """The table of a completed one, in CSV; without counts of a probability below a bound."""
    return Call(
        method="GET",
        route=f"{_ONE}/answers.csv",
        ids={"prediction_id": prediction_id},
        query={"abstain_below": abstain_below},
        read=read_bytes,
    )


def cancel_prediction(prediction_id: str) -> Call[BatchPublic]:
    """Asks it to stop; one that has ended stays as it ended."""
    return delete(_ONE, {"prediction_id": prediction_id})


def delete_prediction(prediction_id: str) -> Call[BatchPublic]:
    """Deletes one that has ended, with its answers."""
    return delete(_ONE, {"prediction_id": prediction_id}, purge=True)
