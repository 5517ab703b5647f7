"""Lists and curves in the size that is asked for."""

import pytest

from gateway.results.metric_models import StepMetrics
from gateway.results.thinning import thinned
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


async def test_a_curve_goes_on_where_its_events_do(gateway, learner):
    learner.steps = 9
    job_id = (await three_jobs(gateway))[0]
    job = await gateway.until(job_id, "completed")
    path = f"/jobs/{job['job_id']}"
    metrics = (await gateway.client.get(f"{path}/metrics?max_points=4")).json()
    assert [step["step"] for step in metrics["steps"]] == [3, 6, 8, 9]
    rest = await gateway.client.get(f"{path}/events?after_seq={metrics['last_seq']}")
    assert "event: step" not in rest.text


def test_a_point_is_the_mean_of_its_steps():
    steps = [{"step": step, "loss": float(step), "kl": None} for step in range(1, 6)]
    assert thinned(steps, 3) == [
        {"step": 2, "loss": 1.5, "kl": None},
        {"step": 4, "loss": 3.5, "kl": None},
        {"step": 5, "loss": 5.0, "kl": None},
    ]


def test_what_is_not_finite_is_left_out_of_a_mean():
    steps = [{"step": 1, "loss": 1.0}, {"step": 2, "loss": None}, {"step": 3, "loss": 4.0}]
    assert thinned(steps, 2)[0] == {"step": 2, "loss": 1.0}


@pytest.mark.parametrize("max_points", [1, 2, 3, 7, 10, 11])
def test_there_are_never_more_points_than_asked_for(max_points):
    steps = [{"step": step} for step in range(1, 11)]
    points = thinned(steps, max_points)
    assert len(points) <= max_points
    assert points[-1] == {"step": 10}


def test_a_step_of_an_earlier_release_is_still_read():
    stored = {"step": 1, "loss": 0.5}
    assert StepMetrics(**stored).model_dump(exclude_none=True) == stored
