from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

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
    WorkerStarted,
    from_json,
    to_json,
)
from learner_service.queue.job_rows import JobRow
from learner_service.queue.job_store import JobStore
from learner_service.spec import JobSpec, Training, validated_spec
from tally.job.answers import ShownAnswer, ShownGroup
from tally.job.comparison import EvaluationScores
from tally.job.metrics import StepMetrics
from tests.learner_service.queue.stores import open_store

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
def store(tmp_path: Path, store_address: dict[str, object]) -> Iterator[JobStore]:
    store = open_store(tmp_path, **store_address)
    yield store
    store.close()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_the_same_after_json(event: Event):
    assert from_json(to_json(event)) == event


def test_a_new_job_is_queued_and_survives_a_restart(
    store: JobStore, tmp_path: Path, store_address: dict[str, object]
):
    created = store.create("one", SPEC)
    store.close()
    with closing(open_store(tmp_path, **store_address)) as reopened:
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


def test_jobs_are_counted_by_status_and_phase(store: JobStore):
    assert store.count_by_state() == {}
    for job_id in ("one", "two", "three"):
        store.create(job_id, SPEC)
    store.append("two", PhaseChanged(phase=JobPhase.LEARNING))
    store.append("three", JobEnded(status=JobStatus.FAILED))
    assert store.count_by_state() == {
        (JobStatus.TRAINING, JobPhase.QUEUED): 1,
        (JobStatus.TRAINING, JobPhase.LEARNING): 1,
        (JobStatus.FAILED, JobPhase.NONE): 1,
    }


def test_who_wants_to_know_is_told_of_each_event_that_is_logged_once(tmp_path: Path):
    noted: list[Event] = []
    done = StepDone(step=1, total_steps=9, metrics=StepMetrics(), groups=8, skipped_groups=3)
    with closing(open_store(tmp_path, note=noted.append)) as store:
        store.create("one", SPEC)
        for _ in range(2):
            store.append("one", done)
    assert noted == [done]


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
    for job_id in ("nothing", "no\0thing"):
        with pytest.raises(UnknownJob):
            store.get(job_id)
    with pytest.raises(UnknownJob):
        store.append("nothing", Notice(message="to nobody"))


def test_an_id_that_is_taken_gives_the_earlier_job(store: JobStore):
    job = store.create("one", SPEC)
    assert store.create("one", SPEC.model_copy(update={"job_name": "another"})) == job


def test_a_message_with_a_nul_ends_the_job(store: JobStore):
    store.create("one", SPEC)
    assert store.append("one", JobEnded(status=JobStatus.FAILED, error_message="a\0b"))
    assert store.get("one").error_message == "ab"


def test_what_was_given_up_and_done_after_all_is_not_done_twice(store: JobStore):
    store.create("one", SPEC)
    moment, notice = datetime.now(UTC), Notice(message="once")
    assert store.append("one", notice, at=moment)
    assert store.append("one", notice, at=moment, again=True)
    assert store.append("one", JobEnded(status=JobStatus.CANCELLED))
    assert store.append("one", notice, at=moment, again=True)
    assert [logged.seq for logged in store.events("one", 0)] == [1, 2]
    assert store.events("one", 0)[0].time == moment


def test_what_was_given_up_and_not_done_is_done(store: JobStore):
    store.create("one", SPEC)
    notice = Notice(message="once")
    assert store.append("one", notice, at=datetime.now(UTC))
    assert store.append("one", notice, at=datetime.now(UTC), again=True)
    assert [logged.event for logged in store.events("one", 0)] == [notice, notice]


def test_the_migrations_make_the_tables_of_the_rows(store: JobStore):
    with store._database.reading() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, JobRow.metadata) == []


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
