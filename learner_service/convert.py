"""learner.v1 messages to the learner's own types, and back."""

import math
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from google.protobuf.message import Message as ProtobufMessage
from google.protobuf.timestamp_pb2 import Timestamp

from learner_service.events import (
    EvaluationDone,
    EvaluationProgress,
    HeldOutScored,
    JobEnded,
    JobPhase,
    JobStatus,
    Notice,
    PhaseChanged,
    SamplesShown,
    StepDone,
    WorkerStarted,
)
from learner_service.queue.job_queue import Place
from learner_service.queue.job_store import Job, LoggedEvent
from learner_service.queue.packed_adapters import Which
from learner_service.spec import (
    Evaluation,
    JobSpec,
    Limits,
    Training,
    validated_limits,
    validated_spec,
)
from tally.job.comparison import EvaluationScores
from tally.job.metrics import StepMetrics
from tally.learner.v1 import learner_pb2 as pb
from tally.messages.convert import coded_json
from tally.rpc.digests import check_digest
from tally.rpc.errors import InvalidArgument

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
_CHECKPOINTS = {
    pb.ADAPTER_CHECKPOINT_UNSPECIFIED: Which.LAST,
    pb.ADAPTER_CHECKPOINT_LAST: Which.LAST,
    pb.ADAPTER_CHECKPOINT_BEST: Which.BEST,
}
_LIMITS = frozenset(Limits.model_fields)
_SCORES = [field.name for field in fields(EvaluationScores)]


def spec_from_proto(message: pb.JobSpec) -> JobSpec:
    """Raises InvalidArgument that names the field; unset fields take their defaults."""
    spec = validated_spec(
        {
            "job_name": message.job_name,
            "dataset_digest": message.dataset_digest,
            "base_model": message.base_model,
            "owner": message.owner,
            "priority": message.priority,
            "work": _work_fields(message),
        }
    )
    for name, digest in spec.digests().items():
        check_digest(digest, f"spec.{name}")
    return spec


def _work_fields(message: pb.JobSpec) -> dict[str, Any]:
    kind = message.WhichOneof("work")
    if kind is None:
        raise InvalidArgument("spec: expected train, evaluate or predict")
    work = getattr(message, kind)
    fields = {**_set_fields(work), "prompt": _set_fields(work.prompt)}
    if kind == "train":
        training = message.train
        fields |= {"config": _set_fields(training.config), "lora": _set_fields(training.lora)}
        fields["rewards"] = [{"name": r.name, "weight": r.weight} for r in training.rewards]
    return {**fields, "kind": kind}


def spec_to_proto(spec: JobSpec) -> pb.JobSpec:
    message = pb.JobSpec(**spec.model_dump(exclude={"work"}))
    if isinstance(spec.work, Training):
        message.train.CopyFrom(_training_to_proto(spec.work))
    elif isinstance(spec.work, Evaluation):
        message.evaluate.CopyFrom(pb.Evaluation(**spec.work.model_dump(exclude={"kind"})))
    else:
        message.predict.CopyFrom(pb.Prediction(**spec.work.model_dump(exclude={"kind"})))
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
        prompt=pb.PromptTemplate(**training.prompt.model_dump()),
        evaluation_dataset_digest=training.evaluation_dataset_digest,
        evaluation_share=training.evaluation_share,
        adapter_digest=training.adapter_digest,
        adapter_job_id=training.adapter_job_id,
    )


def limits_of(message: pb.AnswerRequest | pb.ChatRequest, limits: Limits) -> Limits:
    """`limits` with those that the caller set; raises InvalidArgument."""
    set_limits = {name: value for name, value in _set_fields(message).items() if name in _LIMITS}
    return validated_limits({name: getattr(limits, name) for name in _LIMITS} | set_limits)


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


def which_adapter(checkpoint: pb.AdapterCheckpoint.ValueType) -> Which:
    """Raises InvalidArgument for a number that means none."""
    if checkpoint not in _CHECKPOINTS:
        raise InvalidArgument("checkpoint: expected one of AdapterCheckpoint")
    return _CHECKPOINTS[checkpoint]


def place_to_proto(place: Place) -> pb.WaitingJob:
    start = place.estimated_start
    return pb.WaitingJob(job_id=place.job_id, estimated_start=_timestamp(start) if start else None)


def event_to_proto(logged: LoggedEvent) -> pb.JobEvent:
    message = pb.JobEvent(seq=logged.seq, time=_timestamp(logged.time))
    match logged.event:
        case PhaseChanged(phase=phase):
            message.phase_changed.phase = _PHASES[phase]
        case WorkerStarted(attempt=attempt, resumed_from_step=step, total_steps=total):
            message.worker_started.CopyFrom(
                pb.WorkerStarted(attempt=attempt, resumed_from_step=step, total_steps=total)
            )
        case StepDone(step=step, total_steps=total, metrics=metrics, traceparent=traceparent):
            measured = pb.StepMetrics(**figures(metrics))
            message.step_done.CopyFrom(
                pb.StepDone(step=step, total_steps=total, metrics=measured, traceparent=traceparent)
            )
        case SamplesShown(step=step, groups=groups):
            shown = [pb.ShownGroup(**asdict(group)) for group in groups]
            message.samples_shown.CopyFrom(pb.SamplesShown(step=step, groups=shown))
        case Notice(message=text, code=code, said=said):
            message.notice.CopyFrom(pb.Notice(message=text, code=code, said=coded_json(said)))
        case EvaluationProgress(answered=answered, total=total):
            message.evaluation_progress.CopyFrom(
                pb.EvaluationProgress(answered=answered, total=total)
            )
        case EvaluationDone(num_samples=number, base=base, adapter=adapter, report_digest=digest):
            message.evaluation_done.CopyFrom(
                pb.EvaluationDone(
                    num_samples=number,
                    base=pb.EvaluationScores(**figures(base)),
                    adapter=pb.EvaluationScores(**figures(adapter)),
                    report_digest=digest,
                )
            )
        case HeldOutScored():
            message.held_out_scored.CopyFrom(_held_out_scored(logged.event))
        case JobEnded():
            ended = logged.event
            message.job_ended.CopyFrom(
                pb.JobEnded(
                    status=_STATUSES[ended.status],
                    error_message=ended.error_message,
                    result_digest=ended.result_digest,
                    end_reason=ended.end_reason,
                    said=coded_json(ended.said),
                )
            )
    return message


def _held_out_scored(event: HeldOutScored) -> pb.HeldOutScored:
    intervals = {
        name: pb.Interval(low=ends[0], high=ends[1])
        for name, ends in event.scores.intervals.items()
        if ends is not None
    }
    scores = EvaluationScores(**{name: getattr(event.scores, name) for name in _SCORES})
    return pb.HeldOutScored(
        step=event.step,
        num_samples=event.num_samples,
        scores=pb.EvaluationScores(**figures(scores)),
        intervals=intervals,
        is_best=event.is_best,
    )


def _set_fields(message: ProtobufMessage) -> dict[str, Any]:
    """What the caller set; a choice by its word: `dapo` for the loss_type LOSS_TYPE_DAPO."""
    fields = {field.name: value for field, value in message.ListFields()}
    for name, number in fields.items():
        enum = message.DESCRIPTOR.fields_by_name[name].enum_type
        if enum and (choice := enum.values_by_number.get(number)):
            fields[name] = choice.name.removeprefix(f"{name.upper()}_").lower()
    return fields


def figures(measured: StepMetrics | EvaluationScores) -> dict[str, Any]:
    """Not a number where there is none."""
    return {name: math.nan if value is None else value for name, value in asdict(measured).items()}


def _timestamp(time: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(time)
    return message
