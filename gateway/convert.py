"""Between the gateway's own types and the messages of learner.v1."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tally.job.settings import LoraConfig, Settings, TrainingConfig
from tally.learner.v1 import learner_pb2 as pb

JobStatus = Literal["training", "completed", "failed", "cancelled"]

_EVALUATION_SETTINGS = ("max_image_size", "max_new_tokens", "seed")
_KINDS = {
    "worker_started": "worker",
    "phase_changed": "phase",
    "step_done": "step",
    "samples_shown": "samples",
    "notice": "notice",
    "evaluation_progress": "evaluation_progress",
    "evaluation_done": "evaluation",
    "job_ended": "ended",
}
_STATUSES: Mapping[pb.JobStatus.ValueType, JobStatus] = {
    pb.JOB_STATUS_COMPLETED: "completed",
    pb.JOB_STATUS_FAILED: "failed",
    pb.JOB_STATUS_CANCELLED: "cancelled",
}


class LearnerEvent(NamedTuple):
    """An entry of the learner's log; `payload` is what the event stream shows."""

    seq: int
    time: datetime
    kind: str
    payload: dict[str, Any]


class LearnerState(NamedTuple):
    """A job as the learner tells it, but for what its events tell."""

    status: JobStatus
    error_message: str | None
    output_dir: str | None
    resumed_from_job_id: str | None


def to_spec(
    settings: Mapping[str, Any],
    dataset_digest: str,
    evaluation_digest: str | None = None,
    adapter_digest: str | None = None,
    owner: str = "",
) -> pb.JobSpec:
    """The job of a validated POST /train; `settings` is TrainRequest.settings().

    With an adapter_digest it compares that adapter, under those of the settings that matter then.
    """
    spec = pb.JobSpec(
        job_name=settings["job_name"],
        dataset_digest=dataset_digest,
        base_model=settings["model"] or "",
        owner=owner,
    )
    if adapter_digest:
        limits = {name: settings["training_config"][name] for name in _EVALUATION_SETTINGS}
        spec.evaluate.CopyFrom(pb.Evaluation(adapter_digest=adapter_digest, **limits))
    else:
        spec.train.CopyFrom(_training(settings, evaluation_digest))
    return spec


def _training(settings: Mapping[str, Any], evaluation_digest: str | None) -> pb.Training:
    config = {name: _field(name, value) for name, value in settings["training_config"].items()}
    return pb.Training(
        config=pb.TrainingConfig(**config),
        lora=pb.LoraConfig(**settings["lora_config"]),
        rewards=[pb.RewardWeight(**reward) for reward in settings["rewards"]],
        evaluation_dataset_digest=evaluation_digest or "",
        evaluation_share=settings.get("evaluation_share"),
        resume_from_job_id=settings.get("resume_from_job_id") or "",
        fresh=bool(settings.get("fresh")),
    )


def _field(name: str, value: Any) -> Any:
    """A choice by its number: LOSS_TYPE_DAPO for the loss_type `dapo`."""
    enum = pb.TrainingConfig.DESCRIPTOR.fields_by_name[name].enum_type
    return enum.values_by_name[f"{name}_{value}".upper()].number if enum else value


def to_state(job: pb.Job) -> LearnerState:
    return LearnerState(
        status=_STATUSES.get(job.status, "training"),
        error_message=job.error_message or None,
        output_dir=job.output_dir or None,
        resumed_from_job_id=job.resumed_from_job_id or None,
    )


def to_event(event: pb.JobEvent) -> LearnerEvent:
    which = event.WhichOneof("event") or "notice"
    payload = _payload(which, getattr(event, which))
    return LearnerEvent(event.seq, _to_time(event.time), _KINDS[which], payload)


def _payload(which: str, message: Any) -> dict[str, Any]:
    if which == "step_done":
        steps = {"step": message.step, "total_steps": message.total_steps}
        return {**steps, **_fields(message.metrics)}
    if which == "samples_shown":
        return {"step": message.step, "groups": [_group(group) for group in message.groups]}
    if which == "phase_changed":
        return {"phase": phase_name(message.phase)}
    if which == "evaluation_done":
        scores = {"base": _fields(message.base), "adapter": _fields(message.adapter)}
        digest = message.report_digest or None
        return {"num_samples": message.num_samples, **scores, "report_digest": digest}
    if which == "job_ended":
        return {
            "status": _STATUSES.get(message.status, "failed"),
            "error_message": message.error_message or None,
            "result_digest": message.result_digest or None,
        }
    return _fields(message)


def _group(group: pb.ShownGroup) -> dict[str, Any]:
    return {**_fields(group), "answers": [_fields(answer) for answer in group.answers]}


_SEVERITIES = {pb.SEVERITY_ERROR: "error", pb.SEVERITY_WARNING: "warning"}
_BODY_FIELDS = {
    "train.config": "training_config",
    "train.lora": "lora_config",
    "train.evaluation_share": "evaluation_share",
    "dataset_digest": "data_file_id",
}


_GROUPS: dict[str, type[Settings]] = {"train.config": TrainingConfig, "train.lora": LoraConfig}


def to_preflight(response: pb.PreflightResponse) -> dict[str, Any]:
    """As the models of gateway.jobs.preflight_models have it."""
    findings = [_finding(finding) for finding in response.findings]
    base = None
    if response.HasField("base"):
        base = _fields(response.base) | _fields(response.base.scores)
    return {
        "ok": all(finding["severity"] != "error" for finding in findings),
        "findings": findings,
        "data": {
            **_fields(response.data),
            "counts": [_fields(count) for count in response.data.counts],
            "kinds": [_fields(kind) for kind in response.data.kinds],
        },
        "base": base,
        "steps": _fields(response.steps),
        "memory": _memory_estimate(response.memory),
        "replica_memory": _memory_estimate(response.replica_memory)
        if response.HasField("replica_memory")
        else None,
        "time": _fields(response.time) if response.HasField("time") else None,
    }


def _memory_estimate(memory: pb.MemoryEstimate) -> dict[str, Any]:
    parts = ("libraries", "weights", "adapter", "caches", "activations")
    return _fields(memory) | {"parts": {part: getattr(memory, f"{part}_bytes") for part in parts}}


def _finding(finding: pb.Finding) -> dict[str, Any]:
    suggestion: dict[str, Any] = {}
    for path, value in finding.suggestion.items():
        section, _, name = path.rpartition(".")
        typed = _GROUPS[section].model_fields[name].annotation
        suggestion.setdefault(_BODY_FIELDS[section], {})[name] = typed and typed(value)
    return {
        "severity": _SEVERITIES.get(finding.severity, "note"),
        "code": finding.code,
        "where": _body_field(finding.where),
        "message": finding.message,
        "suggestion": suggestion or None,
    }


def _body_field(where: str) -> str:
    """The field of POST /train that a field of the spec was made from."""
    section, dot, name = where.rpartition(".")
    return _BODY_FIELDS.get(where) or _BODY_FIELDS.get(section, section) + dot + name


def to_answers(response: pb.AnswerResponse) -> dict[str, dict[str, Any] | None]:
    return {
        name: _answer(getattr(response, name)) if response.HasField(name) else None
        for name in ("base", "adapter")
    }


def _answer(answer: pb.ModelAnswer) -> dict[str, Any]:
    return {**_fields(answer), "explanation": answer.explanation or None}


def phase_name(phase: pb.JobPhase.ValueType) -> str | None:
    """`waiting for rollout` for JOB_PHASE_WAITING_FOR_ROLLOUT; None where there is none."""
    if phase not in pb.JobPhase.values() or phase == pb.JOB_PHASE_UNSPECIFIED:
        return None
    return pb.JobPhase.Name(phase).removeprefix("JOB_PHASE_").lower().replace("_", " ")


def _fields(message: Message) -> dict[str, Any]:
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
