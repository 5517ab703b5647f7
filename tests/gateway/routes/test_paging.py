"""A list of jobs in the size that is asked for."""

import pytest

from tests.gateway.packing import good_zip


async def three_jobs(gateway) -> list[str]:
    file_id = (await gateway.upload(good_zip())).json()["file_id"]
    started = [(await gateway.train(file_id, job_name=name)).json() for name in "abc"]
    return [job["job_id"] for job in reversed(started)]


async def test_a_part_of_the_jobs_is_the_newest_of_them(gateway):
    newest_first = await three_jobs(gateway)
    for query, expected in {
        "": newest_first,
        "?limit=2": newest_first[:2],
        "?limit=2&offset=1": newest_first[1:],
        "?offset=3": [],
    }.items():
        response = await gateway.client.get(f"/jobs{query}")
        assert {job["job_id"] for job in response.json()} == set(expected)
        assert response.headers["x-total-count"] == "3"


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "limit=10001"])
async def test_a_part_that_is_none_is_refused(gateway, query):
    assert (await gateway.client.get(f"/jobs?{query}")).status_code == 422
