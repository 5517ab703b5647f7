"""What the gateway tells Prometheus of requests that come over real HTTP."""

import pytest

from tests.gateway.packing import good_zip
from tests.waiting import eventually


@pytest.fixture
def figure(gateway):
    def read(name: str, **labels: str) -> float | None:
        return gateway.app.state.metrics.registry.get_sample_value(f"tally_gateway_{name}", labels)

    return read


async def test_requests_count_by_their_route_not_their_path(gateway, figure):
    job_id = await gateway.start_job()
    for path in (f"/jobs/{job_id}", f"/jobs/{job_id}", "/jobs/none-such"):
        await gateway.client.get(path)
    of_route = {"method": "GET", "route": "/jobs/{job_id}"}
    assert figure("requests_total", **of_route, code="200") == 2
    assert figure("requests_total", **of_route, code="404") == 1
    assert figure("request_seconds_count", **of_route) == 3
    assert figure("requests_total", method="POST", route="/train", code="200") == 1


async def test_strangers_make_no_series_of_their_own(gateway, figure):
    for number in range(3):
        await gateway.client.get(f"/nowhere/{number}")
        await gateway.client.request(f"METHOD{number}", "/nowhere")
    assert figure("requests_total", method="GET", route="other", code="404") == 3
    assert figure("requests_total", method="other", route="other", code="404") == 3


async def test_uploads_count_once_they_are_kept(gateway, figure):
    data = good_zip()
    assert (await gateway.upload(data)).status_code == 200
    assert (await gateway.upload(b"no zip")).status_code == 422
    assert figure("uploads_total") == 1
    assert figure("uploaded_bytes_total") == len(data)


async def test_what_a_limit_refuses_counts_by_the_limit(gateway, figure):
    body = b"x" * (gateway.settings.max_json_bytes + 1)
    assert (await gateway.client.post("/train", content=body)).status_code == 413
    assert (await gateway.upload(b"no zip")).status_code == 422
    assert figure("limited_requests_total", limit="too_many_bytes") == 1
    limits = [
        sample.labels["limit"]
        for family in gateway.app.state.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "tally_gateway_limited_requests_total"
    ]
    assert limits == ["too_many_bytes"]


async def test_streams_count_while_they_are_open(gateway, figure):
    job_id = await gateway.start_job()
    assert figure("event_streams") == 0
    async with gateway.client.stream("GET", f"/jobs/{job_id}/events") as stream:
        await anext(stream.aiter_lines())
        assert figure("event_streams") == 1
    await eventually(lambda: figure("event_streams") == 0)


async def test_the_api_itself_tells_none_of_it(gateway):
    assert (await gateway.client.get("/metrics")).status_code == 404
    assert "/metrics" not in gateway.app.openapi()["paths"]
