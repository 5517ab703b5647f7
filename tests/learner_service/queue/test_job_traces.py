"""The trace that began a job goes on with its workers, though they and the service end."""

from contextlib import closing
from pathlib import Path

from learner_service.spec import JobSpec
from tally.traces.spans import span, trace_id_of
from tests.learner_service.queue.scripted_workers import run_job
from tests.learner_service.queue.stores import open_store
from tests.tracing import traced_here
from tests.waiting import eventually

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_it_is_written_down(tmp_path: Path, store_address: dict[str, object]):
    spec = JobSpec(dataset_digest="a" * 64, base_model="small")
    with closing(open_store(tmp_path, **store_address)) as store:
        store.create("one", spec, TRACEPARENT)
        store.create("two", spec)
    with closing(open_store(tmp_path, **store_address)) as reopened:
        assert [reopened.get(job_id).traceparent for job_id in ("one", "two")] == [TRACEPARENT, ""]


async def test_each_attempt_is_a_part_of_it_and_tells_its_worker(jobs, workers, spec):
    workers.script = ["saves", "completes"]
    with traced_here() as recorded:
        with span("request"):
            job, _ = await run_job(jobs, spec)
        await eventually(lambda: len(recorded.named("attempt")) == 2)
        (request,) = recorded.named("request")
    assert trace_id_of(job.traceparent) == request.trace_id
    lost, completed = recorded.named("attempt")
    assert {one.parent_id for one in (lost, completed)} == {request.span_id}
    assert (lost.has_failed, completed.has_failed) == (True, False)
    told = [task.traceparent.split("-")[1:3] for task in workers.tasks]
    assert told == [[one.trace_id, one.span_id] for one in (lost, completed)]


async def test_a_job_that_was_not_traced_has_none(jobs, workers, spec):
    workers.script = ["completes"]
    job, _ = await run_job(jobs, spec)
    assert (job.traceparent, workers.tasks[0].traceparent) == ("", "")
