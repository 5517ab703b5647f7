"""Between the gateway's own types and the messages of learner.v1."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tally.learner.v1 import learner_pb2 as pb
from tally.messages.convert import read_said

JobStatus = Literal["training", "completed", "failed", "cancelled"]
_KINDS = {
    "worker_started": "worker",
    "phase_changed": "phase",
    "step_done": "step",
    "samples_shown": "samples",
    "notice": "notice",
    "evaluation_progress": "evaluation_progress",
    "evaluation_done": "evaluation",
    "held_out_scored": "held_out",
    "job_ended": "ended",
}
_STATUSES: Mapping[pb.JobStatus.ValueType, JobStatus] = {
    pb.JOB_STATUS_COMPLETED: "completed",
    pb.JOB_STATUS_FAILED: "failed",
    pb.JOB_STATUS_CANCELLED: "cancelled",
}


_Write = Callable[[Any], dict[str, Any]]


class LearnerEvent(NamedTuple):
    """An entry of the learner's log; `payload` is what is shown, `traceparent` a step's span."""

    seq: int
    time: datetime
    kind: str
    payload: dict[str, Any]
    traceparent: str = ""


class LearnerState(NamedTuple):
    """A job as the learner tells it, but for what its events tell while it goes on."""

    status: JobStatus
    current_step: int
    error_message: str | None
    output_dir: str | None
    resumed_from_job_id: str | None


class QueuePlace(NamedTuple):
    """A job's place among those that wait, from 1, and about when it starts, in UTC."""

    position: int
    estimated_start: datetime | None


def to_checkpoint(checkpoint: str) -> pb.AdapterCheckpoint.ValueType:
    """Of an adapter, `last` or `best`."""
    return pb.AdapterCheckpoint.Value(f"ADAPTER_CHECKPOINT_{checkpoint.upper()}")


def to_state(job: pb.Job) -> LearnerState:
    return LearnerState(
        status=_STATUSES.get(job.status, "training"),
        current_step=job.current_step,
        error_message=job.error_message or None,
        output_dir=job.output_dir or None,
        resumed_from_job_id=job.resumed_from_job_id or None,
    )


def to_places(response: pb.GetQueueResponse) -> dict[str, QueuePlace]:
    """By the jobs' ids."""
    places = {}
    for position, job in enumerate(response.jobs, start=1):
        start = _to_time(job.estimated_start) if job.HasField("estimated_start") else None
        places[job.job_id] = QueuePlace(position, start)
    return places


def to_event(event: pb.JobEvent) -> LearnerEvent:
    which = event.WhichOneof("event") or "notice"
    about = event.seq, _to_time(event.time), _KINDS[which], _payload(which, getattr(event, which))
    return LearnerEvent(*about, event.step_done.traceparent)


def _payload(which: str, event: Any) -> dict[str, Any]:
    """As it is, but for what is said otherwise."""
    write: _Write = _PAYLOADS.get(which, fields_of)
    return write(event)


def _step_done(event: pb.StepDone) -> dict[str, Any]:
    return {"step": event.step, "total_steps": event.total_steps, **fields_of(event.metrics)}


def _samples_shown(event: pb.SamplesShown) -> dict[str, Any]:
    return {"step": event.step, "groups": [_group(group) for group in event.groups]}


def _evaluation_done(event: pb.EvaluationDone) -> dict[str, Any]:
    scores = {"base": fields_of(event.base), "adapter": fields_of(event.adapter)}
    digest = event.report_digest or None
    return {"num_samples": event.num_samples, **scores, "report_digest": digest}


def _job_ended(event: pb.JobEnded) -> dict[str, Any]:
    return {
        "status": _STATUSES.get(event.status, "failed"),
        "error_message": event.error_message or None,
        "result_digest": event.result_digest or None,
        "end_reason": event.end_reason or None,
        "said": read_said(event),
    }


def _notice(event: pb.Notice) -> dict[str, Any]:
    return {"message": event.message, "code": event.code or None, "said": read_said(event)}


def _held_out_scored(event: pb.HeldOutScored) -> dict[str, Any]:
    scores = fields_of(event.scores)
    intervals = dict.fromkeys(scores) | {
        name: [ends.low, ends.high] for name, ends in event.intervals.items()
    }
    about = {"step": event.step, "num_samples": event.num_samples, "is_best": event.is_best}
    return {**about, **scores, "intervals": intervals}


def _group(group: pb.ShownGroup) -> dict[str, Any]:
    return {**fields_of(group), "answers": [fields_of(answer) for answer in group.answers]}


_PAYLOADS: Mapping[str, _Write] = {
    "step_done": _step_done,
    "samples_shown": _samples_shown,
    "phase_changed": lambda event: {"phase": phase_name(event.phase)},
    "notice": _notice,
    "evaluation_done": _evaluation_done,
    "held_out_scored": _held_out_scored,
    "job_ended": _job_ended,
}


def to_models(response: pb.ListModelsResponse) -> list[dict[str, Any]]:
    return [
        {
            "name": model.name,
            "family": model.family or None,
            "licence": fields_of(model.licence) if model.HasField("licence") else None,
            "parameters": model.parameters or None,
        }
        for model in response.models
    ]


def to_answers(response: pb.AnswerResponse) -> dict[str, dict[str, Any] | None]:
    return {
        name: _answer(getattr(response, name)) if response.HasField(name) else None
        for name in ("base", "adapter")
    }


def _answer(answer: pb.ModelAnswer) -> dict[str, Any]:
    return {**fields_of(answer), "explanation": answer.explanation or None}


def phase_name(phase: pb.JobPhase.ValueType) -> str | None:
    """`waiting for rollout` for JOB_PHASE_WAITING_FOR_ROLLOUT; None where there is none."""
    if phase not in pb.JobPhase.values() or phase == pb.JOB_PHASE_UNSPECIFIED:
        return None
    return pb.JobPhase.Name(phase).removeprefix("JOB_PHASE_").lower().replace("_", " ")


def fields_of(message: Message) -> dict[str, Any]:
    """Scalar fields and maps by their proto names; what is unset, and what JSON has no number for,
    is None."""
    return {field.name: _value(message, field) for field in message.DESCRIPTOR.fields}


def _value(message: Message, field: Any) -> Any:
    if field.has_presence and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    if field.message_type and field.message_type.GetOptions().map_entry:
        return {key: _finite(value[key]) for key in sorted(value)}
    return _finite(value)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _to_time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(UTC).replace(tzinfo=None)
