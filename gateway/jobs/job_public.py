"""A job as it is shown."""

from sqlmodel import Field

from gateway.convert import QueuePlace
from gateway.jobs.job_models import CANCELLING, FILE_FIELDS, TRAINING, Checkpoint, Job, JobBase
from gateway.times import Time
from tally.messages.languages import Language
from tally.messages.message import known_message


class JobPublic(JobBase):
    tags: list[str] = Field(
        description="Those that POST /train or PATCH /jobs/{job_id} gave it, in their order.",
        schema_extra={"examples": [["apples"]]},
    )
    data_file_id: str = Field(
        description="The upload it trains on.",
        schema_extra={"examples": ["7d1f0c2e-5a55-4c56-9f4b-1b9d5c1f3a10"]},
    )
    evaluation_file_id: str | None = Field(
        description="The upload on which base and adapter are compared; null where none was named.",
        schema_extra={"examples": [None]},
    )
    adapter_job_id: str | None = Field(
        description="The job whose adapter it began with; null for none.",
        schema_extra={"examples": [None]},
    )
    adapter_file_id: str | None = Field(
        description="The uploaded adapter that it began with; null for none.",
        schema_extra={"examples": [None]},
    )
    progress: float = Field(
        description="Share of the optimizer steps done, in percent.",
        schema_extra={"examples": [75.5]},
    )
    created_at: Time = Field(
        description="When POST /train wrote it down, in UTC.",
        schema_extra={"examples": ["2025-01-20T10:30:00"]},
    )
    started_at: Time | None = Field(
        description="When its first worker started, in UTC; null before that.",
        schema_extra={"examples": ["2025-01-20T10:30:02"]},
    )
    ended_at: Time | None = Field(
        description="When it ended, in UTC; null until then.",
        schema_extra={"examples": [None]},
    )
    checkpoints: list[Checkpoint] = Field(
        description="Which adapters there are to download and to compare: last, best; of a job "
        "that was cancelled or failed, those of its checkpoints.",
        schema_extra={"examples": [["last"]]},
    )
    priority: int = Field(
        description="Jobs of a higher one start first.",
        schema_extra={"examples": [0]},
    )
    queue_position: int | None = Field(
        description="Its place among the jobs that wait, 1 for the next; null where it does not "
        "wait, or while the learner is away.",
        schema_extra={"examples": [None]},
    )
    estimated_start: Time | None = Field(
        description="About when a job that waits starts, in UTC, by the measured steps of those "
        "that run; null where that can't be told.",
        schema_extra={"examples": [None]},
    )


_OF_JOB = set(JobPublic.model_fields)
_BEYOND_COLUMNS = (*FILE_FIELDS, "adapter_job_id", "priority", "tags")


def to_public(job: Job, language: Language, place: QueuePlace | None = None) -> JobPublic:
    """Said in `language`; `place`: in the learner's queue, of a job that waits."""
    fields = job.model_dump(include=_OF_JOB)
    fields["error_message"] = _error_in(language, job)
    if job.ended:
        fields["phase"] = None
    elif job.cancel_requested:
        fields["phase"] = CANCELLING
    for name in _BEYOND_COLUMNS:
        fields[name] = getattr(job, name)
    position, start = place or (None, None)
    return JobPublic(
        **fields,
        progress=progress_percent(job),
        checkpoints=_checkpoints(job),
        queue_position=position,
        estimated_start=start,
    )


def _error_in(language: Language, job: Job) -> str | None:
    if job.error_message is None:
        return None
    return known_message(job.error_said, job.error_message).say(language)


def _checkpoints(job: Job) -> list[Checkpoint]:
    """A worker that was stopped has saved where it stood."""
    if not job.ended or job.kind != TRAINING:
        return []
    there: dict[Checkpoint, bool] = {
        "last": job.status == "completed" or job.current_step > 0,
        "best": job.best_step is not None,
    }
    return [checkpoint for checkpoint, is_there in there.items() if is_there]


def progress_percent(job: Job) -> float:
    if job.status == "completed":
        return 100.0
    if not job.total_steps:
        return 0.0
    return round(min(100.0, 100.0 * job.current_step / job.total_steps), 2)
