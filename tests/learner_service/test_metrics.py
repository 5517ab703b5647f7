"""What the service tells Prometheus of the events that it logs."""

from pathlib import Path

import pytest
from prometheus_client.openmetrics.exposition import generate_latest

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
from learner_service.metrics import LearnerMetrics
from tally.job.metrics import StepMetrics


@pytest.fixture
def metrics(tmp_path: Path) -> LearnerMetrics:
    return LearnerMetrics(tmp_path)


def figure(metrics: LearnerMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"tally_learner_{name}", labels)


def test_a_step_that_is_traced_leads_to_its_trace(metrics: LearnerMetrics):
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    metrics.note(StepDone(step=1, total_steps=2, metrics=StepMetrics(step_seconds=9.0)))
    traced = StepMetrics(step_seconds=2.0)
    metrics.note(StepDone(step=2, total_steps=2, metrics=traced, traceparent=traceparent))
    page = generate_latest(metrics.registry).decode()
    exemplars = [line.partition(" # ")[2] for line in page.splitlines() if " # " in line]
    assert [one.split(" ")[:2] for one in exemplars] == [
        ['{trace_id="0af7651916cd43dd8448eb211c80319c"}', "2.0"]
    ]


def step(groups: int, skipped: int, **measured: float) -> StepDone:
    return StepDone(
        step=1,
        total_steps=2,
        metrics=StepMetrics(**measured),
        groups=groups,
        skipped_groups=skipped,
    )


def test_a_step_tells_its_stages_its_groups_and_its_gap(metrics: LearnerMetrics):
    metrics.note(
        step(
            8,
            3,
            step_seconds=2.0,
            rollout_seconds=1.5,
            learning_seconds=0.5,
            log_probability_gap=0.01,
        )
    )
    metrics.note(step(8, 0, step_seconds=1.0, waiting_seconds=0.25))
    assert figure(metrics, "step_seconds_sum") == 3.0
    assert figure(metrics, "step_stage_seconds_sum", stage="rollout") == 1.5
    assert figure(metrics, "step_stage_seconds_count", stage="waiting") == 1
    assert figure(metrics, "step_stage_seconds_count", stage="reward") == 0
    assert figure(metrics, "groups_total", outcome="taught") == 13
    assert figure(metrics, "groups_total", outcome="skipped") == 3
    assert figure(metrics, "log_probability_gap_nats_count") == 1


@pytest.mark.parametrize(
    ("event", "name", "labels"),
    [
        (
            WorkerStarted(attempt=1, resumed_from_step=0, total_steps=2),
            "worker_starts_total",
            {"attempt": "first"},
        ),
        (
            WorkerStarted(attempt=3, resumed_from_step=1, total_steps=2),
            "worker_starts_total",
            {"attempt": "again"},
        ),
        (PhaseChanged(phase=JobPhase.SAVING), "saves_total", {}),
        (Notice(message="a worker was lost"), "notices_total", {}),
        (JobEnded(status=JobStatus.FAILED), "jobs_ended_total", {"status": "failed"}),
    ],
)
def test_an_event_counts(event: Event, name: str, labels: dict[str, str], metrics: LearnerMetrics):
    assert figure(metrics, name, **labels) == 0
    metrics.note(event)
    assert figure(metrics, name, **labels) == 1


def test_other_phases_are_no_saves(metrics: LearnerMetrics):
    metrics.note(PhaseChanged(phase=JobPhase.LEARNING))
    assert figure(metrics, "saves_total") == 0


def test_jobs_are_counted_by_phase_or_end_and_states_without_one_are_0(metrics: LearnerMetrics):
    metrics.read_jobs(
        lambda: {
            (JobStatus.TRAINING, JobPhase.QUEUED): 4,
            (JobStatus.TRAINING, JobPhase.WAITING_FOR_ROLLOUT): 1,
            (JobStatus.COMPLETED, JobPhase.NONE): 7,
        }
    )
    found = {
        state: figure(metrics, "jobs", state=state)
        for state in ("queued", "waiting_for_rollout", "completed", "failed", "learning")
    }
    assert found == {
        "queued": 4,
        "waiting_for_rollout": 1,
        "completed": 7,
        "failed": 0,
        "learning": 0,
    }


def test_room_on_the_disk_is_read(metrics: LearnerMetrics):
    assert metrics.registry.get_sample_value("tally_data_folder_free_bytes") > 0
