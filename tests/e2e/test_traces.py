"""A real stack that sends its spans to a real collector: the trace of a job, and that of a step."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import Stack, running_stack
from tests.tracing import Collector, Span, running_collector, subtree
from tests.waiting import wait_until

STEPS = 2


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced_stack(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with running_stack(tmp_path_factory.mktemp("traced"), "--no-use-4bit") as stack:
            yield stack


@pytest.fixture(scope="module")
def job_id(traced_stack: Stack, training_zip: Path) -> str:
    """A completed job."""
    file_id = traced_stack.upload(training_zip)
    job_id = traced_stack.train(file_id, max_steps=STEPS, save_steps=1, use_4bit=False)
    job = traced_stack.wait(job_id)
    assert job["status"] == "completed", (job, traced_stack.logs())
    return job_id


@pytest.fixture(scope="module")
def spans(collector: Collector, job_id: str) -> list[Span]:
    """Once the last of both traces has come."""

    def named(name: str) -> list[Span]:
        return [one for one in collector.spans if one.name == name]

    wait_until(lambda: len(named("step")) == len(named("store step")) == STEPS, "every step")
    wait_until(lambda: named("attempt"), "the job's attempt")
    return collector.spans


def only(spans: list[Span], name: str) -> Span:
    (found,) = [one for one in spans if one.name == name]
    return found


def test_a_step_is_one_tree_through_all_services(spans: list[Span], job_id: str):
    for step in (one for one in spans if one.name == "step"):
        tree = subtree(spans, step)
        assert {one.trace_id for one in tree} == {step.trace_id}
        assert {one.service for one in tree} == {
            "tally-gateway",
            "tally-learner",
            "tally-reward",
            "tally-rollout",
            "tally-worker",
        }
        parts = {one.name for one in tree}
        assert {"publish", "sample", "reward", "wait for groups", "checkpoint"} <= parts
        assert {"wait for blob", "wait for turn", "generate", "score", "store step"} <= parts
        assert not [one.name for one in tree if one.has_failed]
        assert step.attributes["tally.job_id"] == job_id
        assert step.attributes["tally.attempt"] == 1
    assert "learn" in {one.name for one in spans}


def test_a_jobs_trace_goes_from_the_request_to_its_worker(spans: list[Span], job_id: str):
    asked = only(spans, "POST /train")
    tree = subtree(spans, asked)
    assert "tally-learner" in {one.service for one in tree}
    attempt = only(spans, "attempt")
    assert attempt in tree
    steps = [one for one in spans if one.name == "step"]
    assert {one.linked_traces for one in steps} == {(asked.trace_id,)}
    assert len({one.trace_id for one in (asked, *steps)}) == STEPS + 1


def test_an_upload_is_traced_into_the_reward_service(spans: list[Span]):
    tree = subtree(spans, only(spans, "POST /upload-data"))
    assert {one.service for one in tree} == {"tally-gateway", "tally-reward"}


def test_the_lines_of_a_step_say_its_trace(traced_stack: Stack, spans: list[Span], job_id: str):
    (log,) = traced_stack.data_dir.rglob("worker.log")
    done = [line for line in log.read_text().splitlines() if f"step 1 of {STEPS}" in line]
    first = next(one for one in spans if one.name == "step" and one.attributes["tally.step"] == 1)
    assert len(done) == 1
    assert f"trace_id={first.trace_id} " in done[0]
    assert f"job_id={job_id} " in done[0]
