"""What the learner says of a job, its events and its state, and what that changes about the row."""

from datetime import datetime
from typing import Any

from gateway.convert import LearnerState
from gateway.jobs.job_models import ENDED, HELD_OUT, NOTICE, STEP, TEACHES_AGAIN, TRAINING, Job
from tally.messages.message import Message


def apply_event(job: Job, kind: str, payload: dict[str, Any], time: datetime) -> None:
    if kind == "worker":
        job.started_at = job.started_at or time
        job.total_steps = payload["total_steps"] or job.total_steps
        # A resumed worker does again what was shown already.
        job.current_step = max(job.current_step, payload["resumed_from_step"])
    elif kind == STEP:
        job.current_step, job.total_steps = payload["step"], payload["total_steps"]
        job.loss = payload["loss"]
    elif kind == HELD_OUT and payload["is_best"]:
        job.best_step = payload["step"]
    elif kind == NOTICE and payload.get("code"):
        job.warning = None if payload["code"] == TEACHES_AGAIN else payload["code"]
    elif kind == "phase":
        job.phase = payload["phase"]
    elif kind == "evaluation_progress" and job.kind != TRAINING:
        job.current_step, job.total_steps = payload["answered"], payload["total"]
    elif kind == ENDED:
        job.ended_at = job.ended_at or time
        _apply_end(job, payload)


def end_payload(status: str, error: Message | None = None) -> dict[str, Any]:
    """Of an end without a result that the gateway itself knows of."""
    return {
        "status": status,
        "error_message": error and str(error),
        "said": error and error.as_json(),
        "result_digest": None,
        "end_reason": None,
    }


def _apply_end(job: Job, payload: dict[str, Any]) -> None:
    """The first end is the end: a job that was cancelled stays so, whatever comes later."""
    if not job.ended:
        job.status = payload["status"]
        job.error_message = payload["error_message"]
        job.result_digest = payload["result_digest"]
        job.end_reason = payload.get("end_reason")
    if job.error_message == payload["error_message"]:
        job.error_said = payload.get("said")
    job.phase = None
    job.log_complete = True


def apply_state(job: Job, state: LearnerState) -> None:
    """A completed job is shown as such only once its result is here, which `append` knows."""
    job.output_dir = state.output_dir or job.output_dir
    job.resumed_from_job_id = state.resumed_from_job_id or job.resumed_from_job_id
    if not job.ended and state.status in ("cancelled", "failed"):
        job.status = state.status
        job.error_message = state.error_message
        # Its events come later, and what it left to download hangs on it.
        job.current_step = max(job.current_step, state.current_step)
