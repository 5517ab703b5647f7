"""Metrics, shown answers and the evaluation of a job."""

from dataclasses import asdict

from gateway.steps.metric_models import StepMetrics
from tally.learner.v1 import learner_pb2
from tests.gateway.event_text import parse_events
from tests.gateway.packing import good_zip


async def test_metrics_have_the_names_of_the_contract(gateway):
    job = await gateway.until(await gateway.start_job(), "completed")
    body = (await gateway.client.get(f"/jobs/{job['job_id']}/metrics")).json()
    assert body["job_id"] == job["job_id"]
    assert [step["step"] for step in body["steps"]] == [1, 2, 3]
    names = {field.name for field in learner_pb2.StepMetrics.DESCRIPTOR.fields}
    assert set(body["steps"][0]) == {"step", *names}
    assert body["steps"][0]["reward_share_by_component"] == {"progressive_count": 0.5}
    assert body["steps"][0]["reward_mean_by_component"] == {"progressive_count": 0.25}


async def test_the_evaluation_is_there_once_it_is(gateway):
    plain = await gateway.until(await gateway.start_job(), "completed")
    response = await gateway.client.get(f"/jobs/{plain['job_id']}/evaluation")
    assert response.status_code == 409
    upload = plain["job_id"] and (await gateway.upload(good_zip())).json()["file_id"]
    job = (await gateway.train(upload, evaluation_file_id=upload)).json()
    await gateway.until(job["job_id"], "completed")
    body = (await gateway.client.get(f"/jobs/{job['job_id']}/evaluation")).json()
    assert (body["num_samples"], body["base"]["exact_rate"]) == (4, 0.25)
    assert body["base"]["intervals"] == {"exact_rate": [0.1, 0.4], "reward_mean": None}
    assert (body["file_id"], body["held_out"]) == (upload, None)


async def test_samples_are_streamed_and_the_latest_kept(gateway, learner):
    learner.shows_samples, learner.steps, learner.step_seconds = True, 100, 0.0
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    body = (await gateway.client.get(f"/jobs/{job_id}/samples")).json()
    # The last 20, and every fifth of a hundred from the first on.
    assert [step["step"] for step in body["steps"]] == [*range(100, 80, -1), *range(76, 0, -5)]
    assert body["file_id"] == (await gateway.job(job_id))["data_file_id"]
    assert body["steps"][0]["groups"] == [
        {
            "row": 2,
            "question": "How many?",
            "true_count": 3,
            "answers": [
                {"text": "3 apples", "count": 3, "reward": 1.0},
                {"text": "many", "count": None, "reward": 0.0},
            ],
        }
    ]
    events = parse_events((await gateway.client.get(f"/jobs/{job_id}/events")).text)
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    shown = [data for _, kind, data in events if kind == "samples"]
    assert [bool(data["groups"]) for data in shown[:7]] == [True, *[False] * 4, True, False]
    few = (await gateway.client.get(f"/jobs/{job_id}/samples?steps=2")).json()
    assert [step["step"] for step in few["steps"]] == [100, 99]


async def test_a_curve_goes_on_where_its_events_do(gateway, learner):
    learner.steps = 9
    job_id = await gateway.start_job()
    job = await gateway.until(job_id, "completed")
    path = f"/jobs/{job['job_id']}"
    metrics = (await gateway.client.get(f"{path}/metrics?max_points=4")).json()
    assert [step["step"] for step in metrics["steps"]] == [3, 6, 8, 9]
    rest = await gateway.client.get(f"{path}/events?after_seq={metrics['last_seq']}")
    assert "event: step" not in rest.text


def test_a_step_of_an_earlier_release_is_still_read():
    stored = {"step": 1, "loss": 0.5}
    assert {
        name: figure for name, figure in asdict(StepMetrics(**stored)).items() if figure
    } == stored
