"""Several jobs at once, whose turn comes when, and who makes room; workers are made up."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import alembic.command
import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import InvalidSpec
from learner_service.events import JobPhase, JobStatus, Notice, PhaseChanged
from learner_service.models import ModelList
from learner_service.queue.hosts import Hosts
from learner_service.queue.job_store import Job
from learner_service.queue.jobs import Jobs
from learner_service.queue.local_placement import LocalPlacement
from learner_service.queue.worker_links import WorkerLinks
from learner_service.settings import LearnerSettings
from learner_service.spec import Evaluation, JobSpec, Training, validated_spec
from tally.messages.message import Message
from tests.learner_service.queue.scripted_workers import ScriptedWorkers, fresh
from tests.learner_service.queue.stores import open_store
from tests.waiting import eventually

TWO = pytest.mark.parametrize("queue_settings", [{"jobs_at_once": 2}])


async def add(jobs: Jobs, spec: JobSpec, owner: str = "", priority: int = 0) -> Job:
    """A job that goes on from no other."""
    changes = {"owner": owner, "priority": priority}
    return await jobs.start(str(uuid.uuid4()), fresh(spec).model_copy(update=changes))


async def begun(workers: ScriptedWorkers, attempts: int) -> None:
    """Returns once so many attempts have begun, of all jobs together."""
    await eventually(lambda: len(workers.went_on_from) == attempts)


async def ended(jobs: Jobs, *some: Job) -> list[JobStatus]:
    await eventually(lambda: all(jobs._store.get(job.job_id).status.ended for job in some))
    return [jobs._store.get(job.job_id).status for job in some]


async def waiting(jobs: Jobs) -> list[str]:
    return [place.job_id for place in await jobs.places()]


async def look(jobs: Jobs) -> None:
    """The queue's own look at who is to make room, over when this returns."""
    await jobs._queue._make_room(await jobs._queue._waiting())


@TWO
async def test_two_run_at_once_and_a_third_when_one_of_them_has_stopped(jobs, workers, spec):
    workers.script = ["waits", "waits", "completes"]
    first, second, third = [await add(jobs, spec) for _ in range(3)]
    await begun(workers, 2)
    assert await waiting(jobs) == [third.job_id]
    await jobs.cancel(first.job_id)
    assert await ended(jobs, third) == [JobStatus.COMPLETED]
    assert (await jobs.get(second.job_id)).status is JobStatus.TRAINING
    await jobs.cancel(second.job_id)
    assert jobs.folder(first.job_id).checkpoints.find_last().step == 1


@TWO
async def test_a_cancelled_job_can_be_deleted_while_another_runs(jobs, workers, spec):
    jobs.claim_blobs()
    workers.script = ["waits", "waits"]
    first, second = [await add(jobs, spec) for _ in range(2)]
    await begun(workers, 2)
    await jobs.cancel(first.job_id)
    await eventually(lambda: first.job_id not in jobs._queue.running)
    assert await jobs.delete(first.job_id)
    assert not jobs.folder(first.job_id).path.exists()
    assert second.job_id in jobs._queue.running
    await jobs.cancel(second.job_id)


@TWO
async def test_a_fault_of_one_costs_the_other_nothing(jobs, workers, spec):
    workers.script = ["gives up", "completes"]
    first, second = [await add(jobs, spec) for _ in range(2)]
    # Both start at once: which of them meets the fault is chance.
    assert sorted(await ended(jobs, first, second)) == [JobStatus.COMPLETED, JobStatus.FAILED]


@TWO
async def test_all_save_when_the_service_stops_and_go_on_at_the_next_start(
    jobs, workers, spec, store: BlobStore
):
    workers.script = ["waits after a step", "waits after a step"]
    both = [await add(jobs, spec, owner) for owner in ("alice", "bob")]
    await begun(workers, 2)
    waited = await add(jobs, spec, "carol")
    await jobs.stop()
    await eventually(lambda: not jobs._queue.running)
    workers.script = ["completes"] * 3
    settings = LearnerSettings(data_dir=jobs._settings.data_dir, jobs_at_once=2)
    placement = LocalPlacement(settings, Hosts(), WorkerLinks())
    again = Jobs(settings, jobs._store, store, ModelList(["small"]), placement)
    running = asyncio.create_task(again.run())
    assert set(await ended(again, *both, waited)) == {JobStatus.COMPLETED}
    # What had its turn comes first, though its owner was served more than the one who waits.
    assert {task.job_id for task in workers.tasks[2:4]} == {job.job_id for job in both}
    assert workers.went_on_from == [0, 0, 1, 1, 0]
    await again.stop()
    await running


async def test_owners_take_turns_and_a_higher_priority_goes_before(jobs, workers, spec):
    workers.script = ["waits"]
    running = await add(jobs, spec, "alice", priority=3)
    await begun(workers, 1)
    alices = [await add(jobs, spec, "alice") for _ in range(2)]
    bobs = await add(jobs, spec, "bob")
    later = await add(jobs, spec, "alice", priority=1)
    earlier = await add(jobs, spec, "bob", priority=-1)
    expected = [later, bobs, *alices, earlier]
    assert await waiting(jobs) == [job.job_id for job in expected]
    workers.script = ["completes"] * 5
    await jobs.cancel(running.job_id)
    await ended(jobs, *expected)
    first, *others = [task.job_id for task in workers.tasks[1:]]
    assert (first, others[0], others[-1]) == (later.job_id, bobs.job_id, earlier.job_id)


async def test_who_was_served_less_lately_goes_first(jobs, workers, spec):
    workers.script = ["waits"]
    jobs._store.add_served_time("alice", 3600.0)
    jobs._store.add_served_time("bob", 60.0)
    running = await add(jobs, spec)
    await begun(workers, 1)
    alices, bobs = [await add(jobs, spec, owner) for owner in ("alice", "bob")]
    assert await waiting(jobs) == [bobs.job_id, alices.job_id]
    for job in (running, alices, bobs):
        await jobs.cancel(job.job_id)


async def test_what_ran_is_written_down_for_its_owner(jobs, workers, spec):
    workers.script = ["completes"]
    job = await add(jobs, spec, "alice")
    await ended(jobs, job)
    await eventually(lambda: not jobs._queue.running)
    served = jobs._store.served_times()["alice"]
    assert 0 < served.seconds < 60
    day_later = served.at(served.time + timedelta(days=1))
    assert day_later.seconds == pytest.approx(served.seconds / 2)


async def test_a_job_makes_room_for_one_of_higher_priority_and_goes_on(jobs, workers, spec):
    workers.script = ["waits after a step", "completes", "completes"]
    low = await add(jobs, spec)
    await begun(workers, 1)
    await eventually(lambda: jobs._store.get(low.job_id).current_step == 1)
    high = await add(jobs, spec, priority=1)
    assert await ended(jobs, high, low) == [JobStatus.COMPLETED] * 2
    assert [task.job_id for task in workers.tasks] == [low.job_id, high.job_id, low.job_id]
    assert workers.went_on_from == [0, 0, 1]
    job = jobs._store.get(low.job_id)
    assert (job.moves, job.current_step) == (1, 1)
    said = [logged.event for logged in jobs._store.events(low.job_id, 0)]
    made_room = Notice.of(Message("made_room", step=1))
    assert made_room.message == "made room for a job of higher priority after step 1; goes on later"
    assert made_room in said
    assert PhaseChanged(phase=JobPhase.QUEUED) in said


@pytest.mark.parametrize(
    ("queue_settings", "moved"), [({"moves_per_job": 1}, 1), ({"moves_per_job": 0}, 0)]
)
async def test_a_job_makes_room_so_often_and_no_more(jobs, workers, spec, moved: int):
    workers.script = ["waits", *["completes", "waits"] * moved]
    low = await add(jobs, spec)
    await begun(workers, 1)
    for number in range(moved):
        await ended(jobs, await add(jobs, spec, priority=1))
        await begun(workers, 3 + 2 * number)
    high = await add(jobs, spec, priority=10)
    assert await waiting(jobs) == [high.job_id]
    await look(jobs)
    assert jobs._store.get(low.job_id).moves == moved
    workers.script = ["completes"]
    await jobs.cancel(low.job_id)
    assert await ended(jobs, high) == [JobStatus.COMPLETED]


async def test_an_equal_priority_and_a_comparison_move_nothing(jobs, workers, spec, store):
    compares = Evaluation(adapter_digest=store.put_bytes(b"adapter"))
    comparing = spec.model_copy(update={"work": compares})
    workers.script = ["waits without saving"]
    first = await jobs.start(str(uuid.uuid4()), comparing)
    await begun(workers, 1)
    higher = await add(jobs, spec, priority=1)
    await look(jobs)
    workers.script = ["waits"]
    await jobs.cancel(first.job_id)
    await begun(workers, 2)
    equal = await add(jobs, spec, priority=1)
    await look(jobs)
    assert [jobs._store.get(job.job_id).moves for job in (first, higher)] == [0, 0]
    for job in (equal, higher):
        await jobs.cancel(job.job_id)


async def test_the_first_that_waits_has_an_estimate_once_steps_are_measured(jobs, workers, spec):
    workers.script = ["waits after a step"]
    running, first, second = [await add(jobs, spec) for _ in range(3)]
    await eventually(lambda: jobs._store.get(running.job_id).current_step == 1)
    places = await jobs.places()
    assert [place.job_id for place in places] == [first.job_id, second.job_id]
    wait = places[0].estimated_start - datetime.now(UTC)
    assert timedelta(seconds=40) < wait <= timedelta(seconds=9 * 6)
    assert places[1].estimated_start is None
    for job in (second, first, running):
        await jobs.cancel(job.job_id)


def test_a_priority_is_bounded_and_no_part_of_what_a_job_is(spec: JobSpec):
    fields = spec.model_dump()
    assert validated_spec(fields | {"priority": -10}).fingerprint() == spec.fingerprint()
    for priority in (11, -11):
        with pytest.raises(InvalidSpec, match=r"^priority: .* equal to"):
            validated_spec(fields | {"priority": priority})
    with pytest.raises(InvalidSpec, match=r"^owner: holds control characters"):
        validated_spec(fields | {"owner": "a\0"})


def test_a_database_of_before_has_no_moves_and_served_nobody(
    tmp_path: Path, store_address: dict[str, object]
):
    store = open_store(tmp_path, **store_address)
    store.create("one", JobSpec(dataset_digest="a" * 64, base_model="small", work=Training()))
    with store._database.migrating() as config:
        alembic.command.downgrade(config, "0002")
    store._database.migrate()
    assert (store.get("one").moves, store.served_times()) == (0, {})
    store.count_move("one")
    store.add_served_time("", 5.0)
    assert (store.get("one").moves, store.served_times()[""].seconds) == (1, 5.0)
    store.close()
