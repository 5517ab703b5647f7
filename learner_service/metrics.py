"""What the learner service tells Prometheus: of its jobs, by the events that workers report."""

from collections.abc import Callable, Mapping
from pathlib import Path

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily

from learner_service.events import (
    Event,
    JobEnded,
    JobPhase,
    JobStatus,
    Notice,
    PhaseChanged,
    StepDone,
    WorkerStarted,
)
from tally.metrics.data_folder import free_space
from tally.metrics.gpu_memory import gpu_memory
from tally.metrics.readings import Readings
from tally.metrics.registry import new_registry
from tally.traces.spans import trace_id_of

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_GAPS = (1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1)
_STAGES = ("rollout", "reward", "learning", "waiting")
_UNFINISHED = [phase for phase in JobPhase if phase is not JobPhase.NONE]
_ENDS = [status for status in JobStatus if status.ended]

JobCounts = Mapping[tuple[JobStatus, JobPhase], int]


class LearnerMetrics:
    """Those that events change, and those that are read off the data folder and the job store."""

    def __init__(self, data_dir: Path) -> None:
        registry = self.registry = new_registry()
        self._step = Histogram(
            "tally_learner_step_seconds",
            "Seconds of a whole optimizer step.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._stages = Histogram(
            "tally_learner_step_stage_seconds",
            "Seconds of a stage of a step; stages may overlap.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._groups = Counter(
            "tally_learner_groups",
            "Groups of steps: `taught`, or `skipped`, since their answers were all alike.",
            ["outcome"],
            registry=registry,
        )
        self._gap = Histogram(
            "tally_learner_log_probability_gap_nats",
            "Mean |engine's - learner's log-probability| per token of a step.",
            buckets=_GAPS,
            registry=registry,
        )
        self._workers = Counter(
            "tally_learner_worker_starts",
            "Workers that began with their job: for the `first` time, or `again`, after a loss or "
            "a restart.",
            ["attempt"],
            registry=registry,
        )
        self._saves = Counter(
            "tally_learner_saves",
            "Times that a job began to save: a checkpoint, or its result.",
            registry=registry,
        )
        self._notices = Counter(
            "tally_learner_notices",
            "Notices in the logs of jobs, such as of a lost worker or an unwritten checkpoint.",
            registry=registry,
        )
        self._ended = Counter(
            "tally_learner_jobs_ended", "Jobs that ended.", ["status"], registry=registry
        )
        self._fill_in_labels()
        for reading in (free_space(data_dir), *gpu_memory()):
            registry.register(reading)

    def _fill_in_labels(self) -> None:
        """A series that is missing until something happens is none that an alert can compare."""
        for metric, values in (
            (self._stages, _STAGES),
            (self._groups, ("taught", "skipped")),
            (self._workers, ("first", "again")),
            (self._ended, _ENDS),
        ):
            for value in values:
                metric.labels(value)

    def read_jobs(self, count: Callable[[], JobCounts]) -> None:
        """`count` is asked whenever somebody reads the metrics."""
        self.registry.register(
            Readings(
                GaugeMetricFamily,
                "tally_learner_jobs",
                "Jobs by their state: the phase of one that has not ended, or how it ended.",
                lambda: _by_state(count()),
                ["state"],
            )
        )

    def note(self, event: Event) -> None:
        """Counts an event that has been logged."""
        match event:
            case StepDone():
                self._note_step(event)
            case WorkerStarted(attempt=attempt):
                self._workers.labels("first" if attempt == 1 else "again").inc()
            case PhaseChanged(phase=JobPhase.SAVING):
                self._saves.inc()
            case Notice():
                self._notices.inc()
            case JobEnded(status=status):
                self._ended.labels(status).inc()

    def _note_step(self, event: StepDone) -> None:
        metrics = event.metrics
        if metrics.step_seconds is not None:
            self._step.observe(metrics.step_seconds, _exemplar(event.traceparent))
        for stage in _STAGES:
            seconds = getattr(metrics, f"{stage}_seconds")
            if seconds is not None:
                self._stages.labels(stage).observe(seconds)
        if metrics.log_probability_gap is not None:
            self._gap.observe(metrics.log_probability_gap)
        self._groups.labels("taught").inc(event.groups - event.skipped_groups)
        self._groups.labels("skipped").inc(event.skipped_groups)


def _exemplar(traceparent: str) -> dict[str, str] | None:
    """What leads from a figure to its trace."""
    return {"trace_id": trace_id_of(traceparent)} if traceparent else None


def _by_state(counts: JobCounts) -> dict[tuple[str, ...], float]:
    states: dict[tuple[str, ...], float] = {(_word(state),): 0 for state in (*_UNFINISHED, *_ENDS)}
    for (status, phase), number in counts.items():
        state = status if status.ended else phase or JobPhase.QUEUED
        states[(_word(state),)] += number
    return states


def _word(state: str) -> str:
    return state.replace(" ", "_")
