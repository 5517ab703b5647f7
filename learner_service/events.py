"""What a job's event log holds; a worker writes the same as lines of JSON to its supervisor."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class JobStatus(StrEnum):
    TRAINING = "training"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self is not JobStatus.TRAINING


class JobPhase(StrEnum):
    NONE = ""
    QUEUED = "queued"
    LOADING = "loading"
    ROLLOUT = "rollout"
    LEARNING = "learning"
    SAVING = "saving"
    EVALUATING = "evaluating"
    WAITING_FOR_ROLLOUT = "waiting for rollout"


@dataclass(frozen=True, kw_only=True)
class PhaseChanged:
    phase: JobPhase


@dataclass(frozen=True, kw_only=True)
class WorkerStarted:
    attempt: int
    resumed_from_step: int
    total_steps: int


@dataclass(frozen=True, kw_only=True)
class Notice:
    message: str


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """`metrics` has the fields of StepMetrics in learner.proto."""

    step: int
    total_steps: int
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class SamplesShown:
    """`groups` have the fields of ShownGroup in learner.proto; none once they are not kept."""

    step: int
    groups: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class EvaluationProgress:
    answered: int
    total: int


@dataclass(frozen=True, kw_only=True)
class EvaluationDone:
    """`base` and `adapter` have the fields of EvaluationScores in learner.proto."""

    num_samples: int
    base: dict[str, float]
    adapter: dict[str, float]
    report_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class JobEnded:
    status: JobStatus
    error_message: str = ""
    result_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class WorkerFailed:
    """Only from worker to supervisor: why it gives up, and whether another try may help."""

    message: str
    retryable: bool


Event = (
    PhaseChanged
    | WorkerStarted
    | Notice
    | StepDone
    | SamplesShown
    | EvaluationProgress
    | EvaluationDone
    | JobEnded
    | WorkerFailed
)
Report = Callable[[Event], None]
_CLASSES: dict[str, type[Any]] = {cls.__name__: cls for cls in Event.__args__}
_ENUM_FIELDS: dict[str, type[StrEnum]] = {"phase": JobPhase, "status": JobStatus}


def to_json(event: Event) -> str:
    return json.dumps({"type": type(event).__name__, **asdict(event)})


def from_json(text: str) -> Event:
    fields = json.loads(text)
    cls = _CLASSES[fields.pop("type")]
    for name, enum in _ENUM_FIELDS.items():
        if name in fields:
            fields[name] = enum(fields[name])
    event: Event = cls(**fields)
    return event
