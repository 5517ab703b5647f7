"""What a job's event log holds, which a worker reports to the service; and why one gives up."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from pydantic import TypeAdapter

from tally.job.answers import ShownGroup
from tally.job.comparison import EvaluationScores, IntervalScores
from tally.job.metrics import StepMetrics
from tally.messages.message import Message, known_message

# Of what a worker or a host says of its end.
MOST_REASON_CHARACTERS = 2_000
# A message as JSON, for who says it in another language.
Said = dict[str, Any]


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
    """`code` names what changes how the job is to be seen; empty for others. `said` is the message
    as JSON, for other languages; None of what an earlier version wrote down."""

    message: str
    code: str = ""
    said: Said | None = None

    @classmethod
    def of(cls, message: Message, code: str = "") -> Self:
        return cls(message=str(message), code=code, said=message.as_json())


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """`groups` were sampled for the step, of which `skipped_groups` taught nothing; both are 0 of a
    step that an earlier version wrote down. `traceparent` names its span, where it is traced."""

    step: int
    total_steps: int
    metrics: StepMetrics
    groups: int = 0
    skipped_groups: int = 0
    traceparent: str = ""


@dataclass(frozen=True, kw_only=True)
class SamplesShown:
    """`groups` is empty once they are not kept."""

    step: int
    groups: list[ShownGroup]


@dataclass(frozen=True, kw_only=True)
class EvaluationProgress:
    answered: int
    total: int


@dataclass(frozen=True, kw_only=True)
class EvaluationDone:
    num_samples: int
    base: EvaluationScores
    adapter: EvaluationScores
    report_digest: str = ""


@dataclass(frozen=True, kw_only=True)
class HeldOutScored:
    """What is held out, answered by the adapter after `step`; `is_best` where its exact_rate is
    above that of every earlier step."""

    step: int
    num_samples: int
    scores: IntervalScores
    is_best: bool


class EndReason(StrEnum):
    """Why a job was completed before its last step."""

    NONE = ""
    NO_IMPROVEMENT = "no_improvement"
    NOTHING_TAUGHT = "nothing_taught"


@dataclass(frozen=True, kw_only=True)
class JobEnded:
    """`said` is the error message as JSON, for other languages; None where there is none, or an
    earlier version wrote it down."""

    status: JobStatus
    error_message: str = ""
    result_digest: str = ""
    end_reason: EndReason = EndReason.NONE
    said: Said | None = None

    @classmethod
    def of_failure(cls, message: Message) -> Self:
        return cls(status=JobStatus.FAILED, error_message=str(message), said=message.as_json())


@dataclass(frozen=True, kw_only=True)
class WorkerFailed:
    """No event of a job: why a worker gives up, and whether another try may help.

    `full_disk`: nothing but room on the disk was missing. `said` is the message as JSON; None where
    a worker of another release has no code for it.
    """

    message: str
    retryable: bool
    full_disk: bool = False
    said: Said | None = None

    @classmethod
    def of(cls, message: Message, *, retryable: bool, full_disk: bool = False) -> Self:
        said = message.as_json()
        return cls(message=str(message), retryable=retryable, full_disk=full_disk, said=said)

    @property
    def reason(self) -> Message:
        """The message, in whatever language."""
        return known_message(self.said, self.message)


Event = (
    PhaseChanged
    | WorkerStarted
    | Notice
    | StepDone
    | SamplesShown
    | EvaluationProgress
    | EvaluationDone
    | HeldOutScored
    | JobEnded
)
Report = Callable[[Event], None]
_READERS: dict[str, TypeAdapter[Any]] = {cls.__name__: TypeAdapter(cls) for cls in Event.__args__}


def to_json(event: Event) -> str:
    return json.dumps({"type": type(event).__name__, **asdict(event)})


def from_json(text: str) -> Event:
    """Of a line that an earlier version wrote, what is known today; what it lacks is unset."""
    fields = json.loads(text)
    event: Event = _READERS[fields.pop("type")].validate_python(fields)
    return event
