"""HEAD wherever there is GET: what GET says of its answer, and no body."""

import asyncio
from collections import defaultdict

from tests.gateway.raw_http import send_raw
from tests.waiting import eventually


async def test_head_is_get_without_the_body(gateway):
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    schema = (await gateway.client.get("/openapi.json")).json()
    file_id = (await gateway.job(job_id))["data_file_id"]
    ids = defaultdict(lambda: job_id, file_id=file_id, row="2")
    asked = {
        path.format_map(ids) for path, methods in schema["paths"].items() if "get" in methods
    } | {"/ui", "/docs", "/openapi.json"}
    assert len(asked) > 20
    for path in asked:
        got, headed = await gateway.client.get(path), await gateway.client.head(path)
        assert headed.status_code == got.status_code, path
        assert headed.content == b""
        for name in ("content-type", "content-length", "content-disposition"):
            assert headed.headers.get(name) == got.headers.get(name), (path, name)


async def test_a_stream_of_events_ends_with_its_head(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job()
    async with asyncio.timeout(20):
        head = await gateway.client.head(f"/jobs/{job_id}/events")
    assert head.headers["content-type"].startswith("text/event-stream")
    await eventually(lambda: gateway.services.streams.in_use == 0)


async def test_nothing_follows_a_head_on_its_connection(gateway):
    head = b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n"
    answer = await send_raw(gateway.port, head + b"\r\n" + head + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"status" not in answer


async def test_head_of_what_is_only_posted_is_a_405_that_names_the_methods(gateway):
    assert (await gateway.client.head("/train")).status_code == 405
    answer = await gateway.client.put("/jobs/x")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH"
