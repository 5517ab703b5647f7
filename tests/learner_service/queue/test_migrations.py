"""Databases that another release wrote: `learner-0cc4d30.db` is that of commit 0cc4d30."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from learner_service.events import EvaluationDone, JobEnded, JobStatus
from learner_service.queue.job_store import JobStore
from learner_service.spec import Evaluation, JobSpec, Training
from tally.database.errors import NewerDatabase
from tally.job.choices import LearningRateSchedule, LossType
from tally.job.settings import LoraConfig, RewardWeight, TrainingConfig
from tests.learner_service.queue.stores import open_store

OLD = Path(__file__).parent / "learner-0cc4d30.db"
FINISHED, CANCELLED, UNFINISHED, COMPARISON = (
    f"{number}0000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3, 4)
)
APPLES = Training(
    config=TrainingConfig(
        num_epochs=2,
        learning_rate=1e-4,
        batch_size=4,
        temperature=1.0,
        max_image_size=224,
        max_new_tokens=16,
        seed=7,
        loss_type=LossType.GSPO,
        learning_rate_schedule=LearningRateSchedule.COSINE,
    ),
    lora=LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0),
    rewards=(RewardWeight(name="exact", weight=0.5),),
    evaluation_share=0.2,
)


def spec_of(work: Training) -> JobSpec:
    return JobSpec(job_name="apples", dataset_digest="a" * 64, base_model="small", work=work)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copy(OLD, tmp_path / "learner.db"))


@pytest.fixture
def store(path: Path):
    store = open_store(path.parent)
    yield store
    store.close()


def rewrite(path: Path, change) -> None:
    """Changes every stored spec, as a release that writes it otherwise."""
    connection = sqlite3.connect(path)
    for job_id, text in connection.execute("SELECT job_id, spec FROM jobs").fetchall():
        spec = json.loads(text)
        change(spec)
        values = (json.dumps(spec), job_id)
        connection.execute("UPDATE jobs SET spec = ? WHERE job_id = ?", values)
    connection.commit()
    connection.close()


def test_the_jobs_of_an_older_learner_are_listed_with_their_specs(store: JobStore):
    assert [job.job_id for job in store.all()] == [COMPARISON, UNFINISHED, CANCELLED, FINISHED]
    assert [job.job_id for job in store.unfinished()] == [UNFINISHED]
    assert store.get(FINISHED).spec == spec_of(APPLES)
    assert store.get(FINISHED).status is JobStatus.COMPLETED
    compared = Evaluation(adapter_digest="c" * 64, max_image_size=448, max_new_tokens=32, seed=5)
    assert store.get(COMPARISON).spec.work == compared


def test_every_event_of_an_older_learner_is_read(store: JobStore):
    events = [logged.event for logged in store.events(FINISHED, 0)]
    assert len(events) == store.get(FINISHED).last_seq == 9
    done = next(event for event in events if isinstance(event, EvaluationDone))
    assert done.report_digest == "e" * 64
    assert events[-1] == JobEnded(status=JobStatus.COMPLETED, result_digest="d" * 64)


def test_a_job_that_was_interrupted_by_the_upgrade_is_found_again(store: JobStore):
    assert [job.job_id for job in store.equals(store.get(UNFINISHED))] == [CANCELLED]
    store.append(UNFINISHED, JobEnded(status=JobStatus.CANCELLED))
    work = APPLES.model_copy(update={"evaluation_dataset_digest": "b" * 64})
    equals = store.equals(store.create("new", spec_of(work)))
    assert [job.job_id for job in equals] == [UNFINISHED, CANCELLED]


def test_opening_it_again_changes_nothing(path: Path):
    def rows() -> list[tuple]:
        store = open_store(path.parent)
        store.close()
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT * FROM jobs").fetchall()

    assert rows() == rows()


def test_a_setting_that_is_renamed_or_new_costs_no_job(path: Path):
    open_store(path.parent).close()

    def change(spec: dict) -> None:
        if spec["work"]["kind"] == "train":
            spec["work"]["config"]["epochs_before_the_rename"] = spec["work"]["config"].pop("beta")
        spec["later"] = 1

    rewrite(path, change)
    store = open_store(path.parent)
    assert store.get(FINISHED).spec == spec_of(APPLES)
    assert store.get(FINISHED).spec.fingerprint() == spec_of(APPLES).fingerprint()
    assert [job.job_id for job in store.equals(store.get(UNFINISHED))] == [CANCELLED]
    store.close()


def test_a_job_that_cannot_be_read_fails_alone(path: Path):
    open_store(path.parent).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE jobs SET spec = '[]' WHERE job_id = ?", (UNFINISHED,))
        connection.commit()
    store = open_store(path.parent)
    job = store.get(UNFINISHED)
    assert job.status is JobStatus.FAILED
    assert "written by another version" in job.error_message
    assert isinstance(store.events(UNFINISHED, 0)[-1].event, JobEnded)
    assert store.unfinished() == []
    assert store.get(FINISHED).spec == spec_of(APPLES)
    store.close()


@pytest.mark.parametrize(
    ("change", "version"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "9999"),
        ("DROP TABLE alembic_version", "2"),
    ],
)
def test_a_newer_database_is_refused_and_stays_as_it_is(path: Path, change: str, version: str):
    open_store(path.parent).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(change)
        connection.commit()
        before = list(connection.iterdump())
    with pytest.raises(NewerDatabase, match=f"version {version} .* start the release that wrote"):
        open_store(path.parent)
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before


def test_releases_that_count_for_themselves_refuse_what_they_do_not_know(path: Path):
    """They know 1, and refuse what is higher."""
    open_store(path.parent).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_migration_that_fails_leaves_the_older_database(path: Path):
    rewrite(path, lambda spec: spec.pop("lora") if spec["job_name"] == "apples again" else None)
    with pytest.raises(KeyError):
        open_store(path.parent)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
        specs = [json.loads(text) for (text,) in connection.execute("SELECT spec FROM jobs")]
    assert all("work" not in spec for spec in specs)
