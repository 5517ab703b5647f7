"""Base against adapter."""

from collections.abc import Mapping
from typing import Any, BinaryIO, Literal

from tally.client.answers import Evaluation, EvaluationPublic, EvaluationSummary
from tally.client.call import UPLOAD_SECONDS, Call, Part, delete, read_bytes, read_json

_ONE = "/evaluations/{evaluation_id}"


def get_evaluation(job_id: str) -> Call[Evaluation]:
    """What a job's own comparison found, or one that was asked for."""
    ids = {"job_id": job_id}
    return Call(method="GET", route="/jobs/{job_id}/evaluation", ids=ids, read=read_json)


def get_evaluation_file(job_id: str, kind: Literal["csv", "html"]) -> Call[bytes]:
    """The same as a table of every answer, or as a page with its pictures."""
    route = f"/jobs/{{job_id}}/evaluation.{kind}"
    return Call(method="GET", route=route, ids={"job_id": job_id}, read=read_bytes)


def evaluate_job(
    job_id: str, file_id: str, checkpoint: Literal["last", "best"] | None = None
) -> Call[EvaluationPublic]:
    """Asks for a comparison of a job's last or best adapter on another upload."""
    asked = {"file_id": file_id, "checkpoint": checkpoint}
    return Call(
        method="POST",
        route="/jobs/{job_id}/evaluate",
        ids={"job_id": job_id},
        body={name: value for name, value in asked.items() if value is not None},
        read=read_json,
    )


def evaluate_adapter(
    adapter: BinaryIO, filename: str, settings: Mapping[str, Any]
) -> Call[EvaluationPublic]:
    """Asks for a comparison of an adapter that is sent as a ZIP.

    `settings` has file_id, and may have model, max_image_size, max_new_tokens.
    """
    return Call(
        method="POST",
        route="/evaluations",
        part=Part("adapter", filename, adapter),
        texts=settings,
        read=read_json,
        timeout_seconds=UPLOAD_SECONDS,
    )


def list_comparisons(job_id: str | None = None) -> Call[list[EvaluationSummary]]:
    """Those that were asked for, the newest first; of one job's adapter with its id."""
    return Call(method="GET", route="/evaluations", query={"job_id": job_id}, read=read_json)


def get_comparison(evaluation_id: str) -> Call[EvaluationPublic]:
    """Where it stands and, once it is completed, what it found."""
    return Call(method="GET", route=_ONE, ids={"evaluation_id": evaluation_id}, read=read_json)


def cancel_comparison(evaluation_id: str) -> Call[EvaluationPublic]:
    """Asks it to stop; one that has ended stays as it ended."""
    return delete(_ONE, {"evaluation_id": evaluation_id})


def delete_comparison(evaluation_id: str) -> Call[EvaluationPublic]:
    """Deletes one that has ended, with its report."""
    return delete(_ONE, {"evaluation_id": evaluation_id}, purge=True)
