from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from learner_service.errors import InvalidSpec, UnknownJob
from learner_service.events import (
    EvaluationDone,
    EvaluationProgress,
    Event,
    JobEnded,
    JobPhase,
    JobStatus,
    Notice,
    PhaseChanged,
    SamplesShown,
    StepDone,
    WorkerFailed,
    WorkerStarted,
    from_json,
    to_json,
)
from learner_service.queue.job_store import JobStore
from learner_service.spec import JobSpec, Training, validated_spec
from tally.job.answers import ShownAnswer, ShownGroup
from tally.job.comparison import EvaluationScores
from tally.job.metrics import StepMetrics

SPEC = JobSpec(job_name="apples", dataset_digest="a" * 64, base_model="small")


def shown_group(row: int) -> ShownGroup:
    answer = ShownAnswer(text="三", count=None, reward=0.0)
    return ShownGroup(row=row, question="數", true_count=3, answers=[answer])


EVENTS: list[Event] = [
    PhaseChanged(phase=JobPhase.WAITING_FOR_ROLLOUT),
    WorkerStarted(attempt=1, resumed_from_step=0, total_steps=9),
    StepDone(step=1, total_steps=9, metrics=StepMetrics(loss=0.5)),
    SamplesShown(step=1, groups=[shown_group(2)]),
    Notice(message="數"),
    EvaluationProgress(answered=1, total=2),
    EvaluationDone(
        num_samples=1,
        base=EvaluationScores(exact_rate=0.0),
        adapter=EvaluationScores(exact_rate=1.0),
    ),
    JobEnded(status=JobStatus.FAILED, error_message="why"),
    WorkerFailed(message="why", retryable=True),
]


def test_a_line_of_another_version_is_read():
    """Of a metric that is no longer known, one that was not yet, and one that was not a number."""
    line = (
        '{"type": "StepDone", "step": 3, "total_steps": 9, "invented_since": 1,'
        ' "metrics": {"loss": 0.5, "entropy": NaN, "forgotten": 1.0}}'
    )
    metrics = from_json(line).metrics
    assert (metrics.loss, metrics.reward_mean) == (0.5, None)
    assert from_json('{"type": "SamplesShown", "step": 1, "groups": []}').groups == []


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "learner.db")
    yield store
    store.close()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_the_same_after_json(event: Event):
    assert from_json(to_json(event)) == event


def test_a_new_job_is_queued_and_survives_a_restart(store: JobStore, tmp_path: Path):
    created = store.create("one", SPEC)
    store.close()
    with closing(JobStore(tmp_path / "learner.db")) as reopened:
        job = reopened.get("one")
    assert job == created
    assert (job.status, job.phase, job.spec) == (JobStatus.TRAINING, JobPhase.QUEUED, SPEC)


def test_events_are_numbered_without_a_gap_and_change_the_job(store: JobStore):
    store.create("one", SPEC)
    for event in EVENTS[:3]:
        assert store.append("one", event)
    assert [logged.seq for logged in store.events("one", 0)] == [1, 2, 3]
    assert [logged.event for logged in store.events("one", 1)] == EVENTS[1:3]
    job = store.get("one")
    assert (job.current_step, job.total_steps, job.loss, job.last_seq) == (1, 9, 0.5, 3)


def test_a_step_done_again_after_a_resume_is_not_logged_again(store: JobStore):
    store.create("one", SPEC)
    for step in (1, 2, 3):
        store.append("one", StepDone(step=step, total_steps=9, metrics=StepMetrics()))
    assert not store.append("one", StepDone(step=2, total_steps=9, metrics=StepMetrics()))
    assert store.append("one", StepDone(step=4, total_steps=9, metrics=StepMetrics()))
    assert store.get("one").current_step == 4


def test_only_the_latest_samples_and_milestones_are_kept(store: JobStore):
    store.create("one", SPEC)
    store.append("one", WorkerStarted(attempt=1, resumed_from_step=0, total_steps=60))
    for step in range(1, 61):
        assert store.append("one", SamplesShown(step=step, groups=[shown_group(step)]))
        store.append("one", StepDone(step=step, total_steps=60, metrics=StepMetrics()))
    events = [logged.event for logged in store.events("one", 0)]
    shown = [event for event in events if isinstance(event, SamplesShown)]
    assert [event.step for event in shown] == list(range(1, 61))
    assert [event.step for event in shown if event.groups] == [*range(1, 41, 3), *range(41, 61)]
    assert not store.append("one", SamplesShown(step=60, groups=[shown_group(1)]))


def test_an_ended_job_stays_as_it_ended(store: JobStore):
    store.create("one", SPEC)
    store.append("one", JobEnded(status=JobStatus.CANCELLED))
    assert not store.append("one", JobEnded(status=JobStatus.COMPLETED, result_digest="x"))
    assert store.get("one").status is JobStatus.CANCELLED
    assert store.unfinished() == []


def test_equal_jobs_are_those_that_do_the_same_and_were_left_open(store: JobStore):
    store.create("one", SPEC)
    store.create("two", SPEC.model_copy(update={"job_name": "another name"}))
    store.create("other", SPEC.model_copy(update={"dataset_digest": "b" * 64}))
    store.create("completed", SPEC)
    store.create("unfinished", SPEC)
    for job_id in ("one", "other"):
        store.append(job_id, JobEnded(status=JobStatus.CANCELLED))
    store.append("two", JobEnded(status=JobStatus.FAILED))
    store.append("completed", JobEnded(status=JobStatus.COMPLETED))
    last = store.create("last", SPEC)
    assert [job.job_id for job in store.equals(last)] == ["two", "one"]
    assert store.equals(store.get("one")) == []


def test_unknown_job(store: JobStore):
    with pytest.raises(UnknownJob):
        store.get("nothing")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"learning_rate": 0.0}, "train.config.learning_rate"),
        ({"learning_rate": float("nan")}, "train.config.learning_rate"),
        ({"num_generations": 1}, "train.config.num_generations"),
        ({"loss_type": "sapo"}, "train.config.loss_type"),
        ({"epochs": 3}, "train.config.epochs"),
    ],
)
def test_a_setting_out_of_range_is_named(config: dict[str, object], field: str):
    work = {"kind": "train", "config": config}
    fields = {"dataset_digest": "a" * 64, "base_model": "", "work": work}
    with pytest.raises(InvalidSpec, match=field):
        validated_spec(fields)


def test_the_documented_defaults():
    training, lora = Training().config, Training().lora
    assert (training.num_epochs, training.learning_rate, training.batch_size) == (50, 5e-5, 1)
    assert (training.gradient_accumulation_steps, training.num_generations) == (8, 8)
    assert (training.temperature, training.use_4bit) == (0.2, True)
    assert (training.max_image_size, training.seed) == (512, 43)
    assert (lora.r, lora.lora_alpha, lora.lora_dropout) == (64, 128, 0.05)
