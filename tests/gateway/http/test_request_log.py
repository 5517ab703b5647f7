"""The gateway's log: a line for each request, with whose it was, and no secret in it."""

import asyncio
import json
import logging
import uuid

import httpx
import pytest

from tests.gateway.packing import good_zip
from tests.gateway.test_process import process
from tests.waiting import PATIENCE_SECONDS

LOGGER = "gateway.http.request_log"


@pytest.fixture
def requests(caplog):
    """What the log says of each request that has been answered."""
    caplog.set_level(logging.INFO)
    return lambda: [record for record in caplog.records if record.name == LOGGER]


async def test_a_line_says_who_asked_for_what_and_how_it_was_answered(gateway, requests):
    laptop = await gateway.new_token("laptop", "writer", owner="alice")
    answer = await gateway.client.get("/files?token=hidden", headers=laptop)
    (line,) = requests()
    said = (line.method, line.path, line.status, line.size_bytes, line.token, line.owner)
    assert said == ("GET", "/files", 200, len(answer.content), "laptop", "alice")
    assert line.getMessage().startswith("GET /files 200, ")
    assert line.getMessage().endswith(" bytes, token laptop of alice")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/train", 422)]
)
async def test_what_is_refused_is_logged_too(gateway, requests, method, path, status):
    await gateway.client.request(method, path)
    (line,) = requests()
    assert (line.method, line.path, line.status) == (method, path, status)


async def test_health_is_no_news(gateway, requests):
    await gateway.client.get("/healthz")
    assert not requests()


async def test_a_wrong_token_and_a_token_in_a_query_are_in_no_line(gateway, caplog):
    caplog.set_level(logging.DEBUG, logger="gateway")
    right = await gateway.new_token("laptop", "writer")
    wrong = {"Authorization": f"Bearer {uuid.uuid4()}"}
    await gateway.client.get("/jobs?token=in-a-query", headers=right)
    await gateway.client.get("/jobs", headers=wrong)
    ours = [
        f"{r.getMessage()} {r.__dict__}" for r in caplog.records if r.name.startswith("gateway")
    ]
    assert ours
    for secret in (
        right["Authorization"].split()[1],
        wrong["Authorization"].split()[1],
        "in-a-query",
    ):
        assert not any(secret in line for line in ours)


@pytest.mark.parametrize("given", ["from-a-proxy.1", "x" * 64])
async def test_the_id_that_a_proxy_gave_is_answered(gateway, given):
    answer = await gateway.client.get("/files", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", "a\x1b[31m"])
async def test_another_id_is_made_for_each_request(gateway, given):
    headers = {} if given is None else {"X-Request-ID": given}
    ids = {
        (await gateway.client.get(path, headers=headers)).headers["X-Request-ID"]
        for path in ("/files", "/nowhere")
    }
    assert len(ids) == 2
    assert given not in ids


async def test_the_log_of_a_gateway_is_json_where_it_is_told_so(tmp_path, settings, learner):
    odd = "/jobs/%1b%5b31m%0a2026-01-01%20INFO"
    form = ["--log-format", "json"]
    async with process(tmp_path / "data", settings, *form) as (running, port):
        base_url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base_url, timeout=PATIENCE_SECONDS) as client:
            uploaded = await client.post("/upload-data", files={"file": ("a.zip", good_zip())})
            body = {"job_name": "a", "data_file_id": uploaded.json()["file_id"]}
            started = await client.post("/train", json=body)
            await client.get(odd)
        running.terminate()
        said, _ = await asyncio.gather(running.stderr.read(), running.wait())
        log = [json.loads(line) for line in said.splitlines()]
    by_path = {line["path"]: line for line in log if "path" in line}
    assert all({"time", "level", "service", "logger", "message"} <= set(line) for line in log)
    train = by_path["/train"]
    assert train["job_id"] == started.json()["job_id"]
    assert train["request_id"] == started.headers["X-Request-ID"]
    assert by_path["/jobs/\x1b[31m\n2026-01-01 INFO"]["status"] == 404
