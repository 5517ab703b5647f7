"""Which earlier job a new one goes on from: the one it names, or the furthest of its equals; and
what earlier ones measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learner_service.errors import NotResumable
from learner_service.events import JobStatus, StepDone
from learner_service.job_folder.checkpoints import Checkpoints
from learner_service.job_folder.layout import JobFolder
from learner_service.queue.job_store import Job, JobStore
from learner_service.spec import JobSpec, Training
from tally.job.metrics import StepMetrics

_LAST_EVENTS = 200
_LEFT_OPEN = (JobStatus.CANCELLED, JobStatus.FAILED)


@dataclass(frozen=True, kw_only=True)
class Resumable:
    """A job that left something to go on from: its last whole checkpoint."""

    job: Job
    checkpoint: Path
    step: int


class EarlierJobs:
    """`folder` gives a job's folder by its id."""

    def __init__(self, store: JobStore, folder: Callable[[str], JobFolder]) -> None:
        self._store = store
        self._folder = folder

    def check(self, spec: JobSpec) -> None:
        """Raises NotResumable where the job that `spec` names can't be gone on from."""
        if job_id := _source_id(spec):
            self._check_named(job_id, spec)

    def find(self, job: Job) -> Resumable | None:
        """What a job that begins goes on from. Raises NotResumable as `check` does."""
        spec = job.spec
        if not isinstance(spec.work, Training) or spec.work.fresh:
            return None
        if job_id := _source_id(spec):
            return self._check_named(job_id, spec)
        return self._furthest(self._store.equals(job))

    def steps(self, base_model: str) -> list[StepMetrics]:
        """Metrics of the last steps of the newest job that trained this model."""
        for job in self._store.all():
            if job.spec.base_model == base_model and job.current_step:
                events = self._store.events(job.job_id, max(0, job.last_seq - _LAST_EVENTS))
                steps = [e.event.metrics for e in events if isinstance(e.event, StepDone)]
                if steps:
                    return steps
        return []

    def _check_named(self, job_id: str, spec: JobSpec) -> Resumable:
        named = self._store.find(job_id)
        if named is None:
            raise _refusal("there is no such job")
        if named.status not in _LEFT_OPEN:
            raise _refusal(f"that job is {named.status}; name one that was cancelled or has failed")
        if named.spec.fingerprint() != spec.fingerprint():
            others = ", ".join(_differences(named.spec.identity(), spec.identity()))
            raise _refusal(f"that job has another {others}; a checkpoint fits equal settings alone")
        found = self._furthest([named])
        if found is None:
            raise _refusal("that job has no whole checkpoint; leave this out to start from nothing")
        return found

    def _furthest(self, jobs: list[Job]) -> Resumable | None:
        """`jobs` are the newest first; of equal steps the newest is taken."""
        newest_steps = {job.job_id: self._checkpoints(job).newest_step for job in jobs}
        best: Resumable | None = None
        for job in sorted(jobs, key=lambda job: newest_steps[job.job_id], reverse=True):
            # Checkpoints are read whole to be found whole: not more of them than needed.
            if best and best.step >= newest_steps[job.job_id]:
                break
            found = self._checkpoints(job).find_last()
            if found.path and (best is None or found.step > best.step):
                best = Resumable(job=job, checkpoint=found.path, step=found.step)
        return best

    def _checkpoints(self, job: Job) -> Checkpoints:
        return self._folder(job.job_id).checkpoints


def _source_id(spec: JobSpec) -> str:
    return spec.work.resume_from_job_id if isinstance(spec.work, Training) else ""


def _refusal(why: str) -> NotResumable:
    return NotResumable(f"train.resume_from_job_id: {why}")


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The names of the settings in which two specs differ."""
    names = []
    for name, value in one.items():
        if isinstance(value, Mapping) and isinstance(other.get(name), Mapping):
            names += _differences(value, other[name])
        elif value != other.get(name):
            names.append(name)
    return names
