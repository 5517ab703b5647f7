"""learner.v1 messages to the learner's own types, and back."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from learner_service.events import (
    EvaluationDone,
    EvaluationProgress,
    JobEnded,
    JobPhase,
    JobStatus,
    Notice,
    PhaseChanged,
    SamplesShown,
    StepDone,
    WorkerStarted,
)
from learner_service.prediction.question import ModelAnswer
from learner_service.queue.job_store import Job, LoggedEvent
from learner_service.spec import JobSpec, Limits, Training, validated_limits, validated_spec
from tally.job.comparison import EvaluationScores
from tally.job.metrics import StepMetrics
from tally.learner.v1 import learner_pb2 as pb
from tally.rpc.digests import check_digest
from tally.rpc.errors import InvalidArgument

if TYPE_CHECKING:
    from learner_service.preflight.memory import MemoryEstimate
    from learner_service.preflight.preflight import Preflight

_STATUSES = {
    JobStatus.TRAINING: pb.JOB_STATUS_TRAINING,
    JobStatus.COMPLETED: pb.JOB_STATUS_COMPLETED,
    JobStatus.FAILED: pb.JOB_STATUS_FAILED,
    JobStatus.CANCELLED: pb.JOB_STATUS_CANCELLED,
}
_PHASES = {
    JobPhase.NONE: pb.JOB_PHASE_UNSPECIFIED,
    JobPhase.QUEUED: pb.JOB_PHASE_QUEUED,
    JobPhase.LOADING: pb.JOB_PHASE_LOADING,
    JobPhase.ROLLOUT: pb.JOB_PHASE_ROLLOUT,
    JobPhase.LEARNING: pb.JOB_PHASE_LEARNING,
    JobPhase.SAVING: pb.JOB_PHASE_SAVING,
    JobPhase.EVALUATING: pb.JOB_PHASE_EVALUATING,
    JobPhase.WAITING_FOR_ROLLOUT: pb.JOB_PHASE_WAITING_FOR_ROLLOUT,
}
_LIMITS = frozenset(Limits.model_fields)


def spec_from_proto(message: pb.JobSpec) -> JobSpec:
    """Raises InvalidArgument that names the field; unset fields take their defaults."""
    spec = validated_spec(
        {
            "job_name": message.job_name,
            "dataset_digest": message.dataset_digest,
            "base_model": message.base_model,
            "owner": message.owner,
            "work": _work_fields(message),
        }
    )
    for name, digest in spec.digests().items():
        check_digest(digest, f"spec.{name}")
    return spec


def _work_fields(message: pb.JobSpec) -> dict[str, Any]:
    kind = message.WhichOneof("work")
    if kind is None:
        raise InvalidArgument("spec: expected train or evaluate")
    fields = _set_fields(getattr(message, kind))
    if kind == "train":
        training = message.train
        fields |= {"config": _set_fields(training.config), "lora": _set_fields(training.lora)}
        fields["rewards"] = [{"name": r.name, "weight": r.weight} for r in training.rewards]
    return {**fields, "kind": kind}


def spec_to_proto(spec: JobSpec) -> pb.JobSpec:
    message = pb.JobSpec(**spec.model_dump(exclude={"work"}))
    if isinstance(spec.work, Training):
        message.train.CopyFrom(_training_to_proto(spec.work))
    else:
        message.evaluate.CopyFrom(pb.Evaluation(**spec.work.model_dump(exclude={"kind"})))
    return message


def _training_to_proto(training: Training) -> pb.Training:
    config = training.config.model_dump(mode="json")
    fields = pb.TrainingConfig.DESCRIPTOR.fields_by_name
    for name, choice in config.items():
        if enum := fields[name].enum_type:
            config[name] = enum.values_by_name[f"{name}_{choice}".upper()].number
    return pb.Training(
        config=pb.TrainingConfig(**config),
        lora=pb.LoraConfig(**training.lora.model_dump()),
        rewards=[pb.RewardWeight(name=r.name, weight=r.weight) for r in training.rewards],
        evaluation_dataset_digest=training.evaluation_dataset_digest,
        evaluation_share=training.evaluation_share,
    )


def limits_of(message: pb.AnswerRequest, limits: Limits) -> Limits:
    """`limits` with those that the caller set; raises InvalidArgument."""
    set_limits = {name: value for name, value in _set_fields(message).items() if name in _LIMITS}
    return validated_limits({name: getattr(limits, name) for name in _LIMITS} | set_limits)


def answer_response(answers: Sequence[ModelAnswer]) -> pb.AnswerResponse:
    messages = [
        pb.ModelAnswer(text=answer.text, count=answer.count, explanation=answer.explanation)
        for answer in answers
    ]
    return pb.AnswerResponse(**dict(zip(("base", "adapter"), messages, strict=False)))


_SEVERITIES = {
    "error": pb.SEVERITY_ERROR,
    "warning": pb.SEVERITY_WARNING,
    "note": pb.SEVERITY_NOTE,
}


def preflight_response(result: "Preflight") -> pb.PreflightResponse:
    base = result.base
    response = pb.PreflightResponse(
        findings=[
            pb.Finding(
                severity=_SEVERITIES[finding.severity],
                code=finding.code,
                where=finding.where,
                message=finding.message,
                suggestion=finding.suggestion,
            )
            for finding in result.findings
        ],
        data=pb.DataSummary(
            rows=result.rows,
            images=result.images,
            training_rows=result.rows - result.held_out_rows,
            held_out_rows=result.held_out_rows,
            counts=[pb.CountRows(count=c, rows=r) for c, r in result.counts.items()],
            kinds=[pb.KindRows(kind=k, rows=r) for k, r in result.kinds.items()],
        ),
        steps=pb.StepPlan(**asdict(result.steps)),
        memory=_memory_estimate(result.memory),
    )
    if result.replica_memory is not None:
        response.replica_memory.CopyFrom(_memory_estimate(result.replica_memory))
    if base is not None:
        response.base.CopyFrom(
            pb.BaseSample(
                num_samples=base.num_samples,
                scores=pb.EvaluationScores(**_figures(base.scores)),
                varied_group_rate=base.varied_group_rate,
                any_right_rate=base.any_right_rate,
            )
        )
    if result.time is not None:
        response.time.CopyFrom(pb.TimeEstimate(**asdict(result.time)))
    return response


def _memory_estimate(memory: "MemoryEstimate") -> pb.MemoryEstimate:
    return pb.MemoryEstimate(estimated_bytes=memory.estimated_bytes, **asdict(memory))


def job_to_proto(job: Job, output_dir: str) -> pb.Job:
    return pb.Job(
        job_id=job.job_id,
        spec=spec_to_proto(job.spec),
        status=_STATUSES[job.status],
        phase=_PHASES[job.phase],
        current_step=job.current_step,
        total_steps=job.total_steps,
        loss=job.loss,
        created_at=_timestamp(job.created_at),
        error_message=job.error_message,
        output_dir=output_dir,
        result_digest=job.result_digest,
        resumed_from_job_id=job.resumed_from_job_id,
        last_seq=job.last_seq,
    )


def event_to_proto(logged: LoggedEvent) -> pb.JobEvent:
    message = pb.JobEvent(seq=logged.seq, time=_timestamp(logged.time))
    match logged.event:
        case PhaseChanged(phase=phase):
            message.phase_changed.phase = _PHASES[phase]
        case WorkerStarted(attempt=attempt, resumed_from_step=step, total_steps=total):
            message.worker_started.CopyFrom(
                pb.WorkerStarted(attempt=attempt, resumed_from_step=step, total_steps=total)
            )
        case StepDone(step=step, total_steps=total, metrics=metrics):
            figures = pb.StepMetrics(**_figures(metrics))
            message.step_done.CopyFrom(pb.StepDone(step=step, total_steps=total, metrics=figures))
        case SamplesShown(step=step, groups=groups):
            shown = [pb.ShownGroup(**asdict(group)) for group in groups]
            message.samples_shown.CopyFrom(pb.SamplesShown(step=step, groups=shown))
        case Notice(message=text):
            message.notice.message = text
        case EvaluationProgress(answered=answered, total=total):
            message.evaluation_progress.CopyFrom(
                pb.EvaluationProgress(answered=answered, total=total)
            )
        case EvaluationDone(num_samples=number, base=base, adapter=adapter, report_digest=digest):
            message.evaluation_done.CopyFrom(
                pb.EvaluationDone(
                    num_samples=number,
                    base=pb.EvaluationScores(**_figures(base)),
                    adapter=pb.EvaluationScores(**_figures(adapter)),
                    report_digest=digest,
                )
            )
        case JobEnded(status=status, error_message=error, result_digest=digest):
            message.job_ended.CopyFrom(
                pb.JobEnded(status=_STATUSES[status], error_message=error, result_digest=digest)
            )
    return message


def _set_fields(message: Message) -> dict[str, Any]:
    """What the caller set; a choice by its word: `dapo` for the loss_type LOSS_TYPE_DAPO."""
    fields = {field.name: value for field, value in message.ListFields()}
    for name, number in fields.items():
        enum = message.DESCRIPTOR.fields_by_name[name].enum_type
        if enum and (choice := enum.values_by_number.get(number)):
            fields[name] = choice.name.removeprefix(f"{name.upper()}_").lower()
    return fields


def _figures(measured: StepMetrics | EvaluationScores) -> dict[str, Any]:
    """Not a number where there is none."""
    return {name: math.nan if value is None else value for name, value in asdict(measured).items()}


def _timestamp(time: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(time)
    return message
