"""What a gateway traces: requests, uploads, and jobs on their way to the learner and back."""

import io
import json
import logging

import pytest

from tally.logs.lines import JsonLines
from tally.traces.spans import trace_id_of
from tests.gateway.packing import good_zip
from tests.tracing import Recorded, Span, subtree, traced_here
from tests.waiting import eventually

ELSEWHERE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
START_JOB = "tally.learner.v1.LearnerService/StartJob"


@pytest.fixture
def recorded():
    with traced_here("gateway") as recorded:
        yield recorded


def only(recorded: Recorded, name: str) -> Span:
    (found,) = recorded.named(name)
    return found


async def test_a_request_is_named_by_its_route_and_shows_nothing_that_may_be_secret(
    recorded, start_gateway, settings
):
    headers = {"Authorization": "Bearer hidden", "traceparent": ELSEWHERE, "X-Request-ID": "mine"}
    async with start_gateway(settings) as gateway:
        await gateway.client.get("/jobs/nothing/log?token=hidden", headers=headers)
        await gateway.client.request("BREW", "/pot", headers=headers)
        await gateway.client.get("/healthz")
    asked = only(recorded, "GET /jobs/{job_id}/log")
    assert asked.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 404,
        "http.route": "/jobs/{job_id}/log",
        "tally.request_id": "mine",
    }
    # A stranger's trace is linked to, and never written into.
    assert (asked.parent_id, asked.linked_traces) == ("", (trace_id_of(ELSEWHERE),))
    assert asked.trace_id != trace_id_of(ELSEWHERE)
    assert {one.name for one in recorded.spans} == {asked.name, "HTTP"}
    assert "hidden" not in str(recorded.spans)


async def test_the_line_of_a_request_says_its_trace(recorded, start_gateway, settings, caplog):
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonLines("gateway"))
    caplog.set_level(logging.INFO, logger="gateway.http.request_log")
    logging.getLogger("gateway.http.request_log").addHandler(handler)
    async with start_gateway(settings) as gateway:
        await gateway.client.get("/jobs")
    logging.getLogger("gateway.http.request_log").removeHandler(handler)
    assert json.loads(lines.getvalue())["trace_id"] == only(recorded, "GET /jobs").trace_id


async def test_what_breaks_is_recorded_on_the_request(recorded, start_gateway, settings, learner):
    async with start_gateway(settings) as gateway:
        await learner.stop()
        job_id = await gateway.start_job()
        answer = await gateway.client.get(f"/jobs/{job_id}/log")
    asked = only(recorded, "GET /jobs/{job_id}/log")
    assert answer.status_code == asked.attributes["http.response.status_code"] == 503
    assert asked.has_failed
    assert asked.errors == ("tally.rpc.errors.Unavailable",)


async def test_an_upload_shows_its_parts(recorded, start_gateway, settings):
    async with start_gateway(settings) as gateway:
        await gateway.upload(good_zip())
    root = only(recorded, "POST /upload-data")
    names = {one.name for one in subtree(recorded.spans, root)}
    assert {"receive upload", "read table", "check images", "parse"} <= names
    assert "tally.reward.v1.RewardService/Parse" in names


async def test_a_jobs_trace_reaches_the_learner_though_the_gateway_restarts(
    recorded, start_gateway, settings, learner
):
    await learner.stop()
    async with start_gateway(settings) as gateway:
        job_id = await gateway.start_job()
    await learner.start()
    async with start_gateway(settings) as gateway:
        await gateway.until(job_id, "completed")
    asked = only(recorded, "POST /train")
    started = [one for one in recorded.named(START_JOB) if one.trace_id == asked.trace_id]
    accepted = [one for one in started if one.attributes["rpc.grpc.status_code"] == 0]
    assert len(accepted) == 2, "the client's and the server's"
    assert all(one.attributes["tally.job_id"] == job_id for one in accepted)


async def test_a_step_that_is_stored_is_a_part_of_the_steps_trace(
    recorded, start_gateway, settings, learner
):
    learner.traceparent, learner.steps = ELSEWHERE, 2
    async with start_gateway(settings) as gateway:
        job_id = await gateway.start_job()
        await gateway.until(job_id, "completed")
        await eventually(lambda: len(recorded.named("store step")) == 2)
        steps = (await gateway.client.get(f"/jobs/{job_id}/metrics")).json()["steps"]
    for one in recorded.named("store step"):
        assert (one.trace_id, one.parent_id) == tuple(ELSEWHERE.split("-")[1:3])
        assert one.attributes["tally.job_id"] == job_id
    assert "traceparent" not in steps[0]
