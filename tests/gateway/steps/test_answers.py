"""Metrics and shown answers of a job that runs, asked for again and again."""

import asyncio
import json

from gateway.steps.metric_models import Metrics
from gateway.steps.shown_models import ShownAnswers

PATHS = ("metrics", "metrics?max_points=7", "samples", "samples?steps=3")


async def ask_all(gateway, job_id: str) -> dict[str, str]:
    asked = [gateway.client.get(f"/jobs/{job_id}/{path}") for path in PATHS]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {200}
    return {path: answer.text for path, answer in zip(PATHS, answers, strict=True)}


async def test_answers_on_the_way_end_as_one_that_is_read_whole(
    start_gateway, on_database, learner
):
    learner.shows_samples, learner.steps, learner.step_seconds = True, 60, 0.002
    async with start_gateway(on_database) as one, start_gateway(on_database) as two:
        job_id = await one.start_job()
        while (await one.job(job_id))["status"] == "training":
            await asyncio.gather(*(ask_all(each, job_id) for each in (one, two)))
        kept = [await ask_all(each, job_id) for each in (one, two)]
    async with start_gateway(on_database) as fresh:
        whole = await ask_all(fresh, job_id)
    assert kept == [whole, whole]
    metrics, samples = (json.loads(whole[path]) for path in ("metrics", "samples"))
    assert [step["step"] for step in metrics["steps"]] == list(range(1, 61))
    assert Metrics(**metrics).model_dump(mode="json") == metrics
    assert ShownAnswers(**samples).model_dump(mode="json") == samples


async def test_of_a_log_only_what_is_new_is_read(gateway, learner, monkeypatch):
    learner.hold.clear()
    job_id = await gateway.start_job()
    store = gateway.services.jobs._store
    asked, payloads = [], store.payloads

    def spy(job_id: str, kind: str, after_seq: int):
        found = payloads(job_id, kind, after_seq)
        asked.append((after_seq, len(found)))
        return found

    monkeypatch.setattr(store, "payloads", spy)
    await gateway.client.get(f"/jobs/{job_id}/metrics")
    learner.hold.set()
    await gateway.until(job_id, "completed")
    first, again = [await gateway.client.get(f"/jobs/{job_id}/metrics") for _ in range(2)]
    assert first.content == again.content
    assert sum(number for _, number in asked) == learner.steps
    assert len(asked) <= 2


async def test_the_curve_of_what_is_held_out_comes_with_the_steps(gateway):
    with_curve = await gateway.start_job(training_config={"evaluation_steps": 1})
    without = await gateway.start_job()
    answers = []
    for job_id in (with_curve, without):
        await gateway.until(job_id, "completed")
        answers.append((await gateway.client.get(f"/jobs/{job_id}/metrics?max_points=1")).json())
    curve, nothing = (answer["evaluations"] for answer in answers)
    assert nothing == []
    assert [(one["step"], one["exact_rate"], one["is_best"]) for one in curve] == [
        (1, 0.25, True), (2, 0.5, True), (3, 0.25, False),
    ]  # fmt: skip
    assert curve[0]["num_samples"] == 8
    assert curve[0]["reward_mean"] is None
    assert curve[0]["intervals"]["exact_rate"] == [0.125, 0.75]
    assert curve[0]["intervals"]["reward_mean"] is None
    assert len(answers[0]["steps"]) == 1
