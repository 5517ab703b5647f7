"""Jobs through failures: of the learner, of its answers, of the gateway itself."""

import asyncio

import pytest

from gateway.convert import LearnerState
from gateway.jobs.job_changes import apply_state
from gateway.jobs.job_models import TRAINING, Job
from gateway.jobs.job_public import to_public
from gateway.times import now
from tally.messages.languages import Language
from tally.rpc.errors import Unavailable
from tests.gateway.event_text import parse_events
from tests.waiting import eventually


async def test_jobs_are_listed_newest_first(gateway):
    ids = [await gateway.start_job() for _ in range(3)]
    listed = [job["job_id"] for job in (await gateway.client.get("/jobs")).json()]
    assert listed == ids[::-1]


async def test_a_running_job_shows_its_progress(gateway, learner):
    learner.steps = 4
    learner.hold.clear()
    job_id = await gateway.start_job()
    job = await gateway.until(job_id, "training", total_steps=4, phase="learning")
    assert (job["progress"], job["loss"]) == (0.0, None)
    learner.hold.set()
    job = await gateway.until(job_id, "completed")
    assert (job["loss"], job["phase"], job["output_dir"]) == (0.25, None, f"/output/{job_id}")


async def test_a_failed_job_says_why(gateway, learner):
    learner.fail_with = "out of memory; reduce batch_size"
    job = await gateway.until(await gateway.start_job(), "failed")
    assert job["error_message"] == "out of memory; reduce batch_size"
    # Its checkpoint is there to be looked at.
    assert job["checkpoints"] == ["last"]
    assert (await gateway.client.get(f"/jobs/{job['job_id']}/download")).status_code == 200


def test_a_job_that_is_known_to_have_failed_before_its_events_came_has_its_checkpoint():
    job = Job(
        job_id="one", job_name="counts", status="training", kind=TRAINING, created_at=now(), spec={}
    )
    apply_state(
        job,
        LearnerState(
            status="failed",
            current_step=3,
            error_message="out of memory",
            output_dir=None,
            resumed_from_job_id=None,
        ),
    )
    assert to_public(job, Language.ENGLISH).checkpoints == ["last"]


async def test_a_loss_that_is_no_number_is_shown_as_null(gateway, learner):
    learner.loss = lambda _: float("nan")
    job = await gateway.until(await gateway.start_job(), "completed")
    assert job["loss"] is None
    metrics = (await gateway.client.get(f"/jobs/{job['job_id']}/metrics")).json()
    assert [step["loss"] for step in metrics["steps"]] == [None] * 3


async def test_a_lost_answer_of_start_job_is_one_job(gateway, learner):
    learner.answers_lost = 8
    job_id = await gateway.start_job()
    assert (await gateway.until(job_id, "completed"))["job_id"] == job_id
    assert list(learner.jobs) == [job_id]
    assert learner.calls["StartJob"] > 1


async def test_a_learner_that_is_away_gets_the_job_when_it_is_back(gateway, learner):
    await learner.stop()
    job_id = await gateway.start_job()
    assert (await gateway.job(job_id))["phase"] == "queued"
    await learner.start()
    await gateway.until(job_id, "completed")


async def test_a_learner_that_is_away_for_a_while_costs_no_event(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job()
    await gateway.until(job_id, "training", phase="learning")
    await learner.stop()
    learner.hold.set()
    await asyncio.sleep(0.2)
    await learner.start()
    await gateway.until(job_id, "completed")
    events = gateway.services.database
    with events.reading() as session:
        assert session.get(Job, job_id).last_seq == len(learner.logs[job_id])


async def test_a_learner_that_lost_everything_is_told_again(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job()
    await gateway.until(job_id, "training", phase="learning")
    await learner.stop()
    learner.lose_everything()
    learner.hold.set()
    await learner.start()
    await gateway.until(job_id, "completed")
    text = (await gateway.client.get(f"/jobs/{job_id}/events")).text
    seqs = [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]
    assert seqs == list(range(1, len(learner.logs[job_id]) + 3))


async def test_a_gateway_that_restarts_goes_on_with_its_jobs(start_gateway, settings, learner):
    learner.hold.clear()
    async with start_gateway(settings) as gateway:
        job_id = await gateway.start_job()
        await gateway.until(job_id, "training", phase="learning")
    learner.hold.set()
    await asyncio.sleep(0.1)
    async with start_gateway(settings) as gateway:
        await gateway.until(job_id, "completed")
        assert (await gateway.client.get(f"/jobs/{job_id}/download")).status_code == 200
        steps = (await gateway.client.get(f"/jobs/{job_id}/metrics")).json()["steps"]
        assert [step["step"] for step in steps] == [1, 2, 3]


async def test_a_gateway_that_dies_before_start_job_submits_once(start_gateway, settings, learner):
    await learner.stop()
    async with start_gateway(settings) as gateway:
        job_id = await gateway.start_job()
    await learner.start()
    async with start_gateway(settings) as gateway:
        await gateway.until(job_id, "completed")
    assert list(learner.jobs) == [job_id]


async def test_a_cancelled_job_stays_cancelled(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job()
    for _ in range(2):
        job = (await gateway.client.delete(f"/jobs/{job_id}")).json()
        assert (job["status"], job["phase"]) == ("cancelled", None)
    learner.hold.set()
    await asyncio.sleep(0.1)
    assert (await gateway.job(job_id))["status"] == "cancelled"
    assert "event: ended" in (await gateway.client.get(f"/jobs/{job_id}/events")).text


async def test_a_job_like_a_cancelled_one_says_where_it_goes_on_from(gateway, learner):
    learner.hold.clear()
    first = await gateway.start_job()
    await gateway.client.delete(f"/jobs/{first}")
    learner.hold.set()
    second = await gateway.until(await gateway.start_job(), "completed")
    assert second["resumed_from_job_id"] == first


async def test_cancelling_a_job_that_has_ended_changes_nothing(gateway):
    job = await gateway.until(await gateway.start_job(), "completed")
    response = await gateway.client.delete(f"/jobs/{job['job_id']}")
    assert (response.status_code, response.json()) == (200, job)


async def test_an_intent_to_cancel_waits_for_the_learner(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job()
    await gateway.until(job_id, "training", phase="learning")
    await learner.stop()
    job = (await gateway.client.delete(f"/jobs/{job_id}")).json()  # which nobody could answer
    assert (job["status"], job["phase"]) == ("training", "cancelling")
    await learner.start()
    await gateway.until(job_id, "cancelled")


async def test_a_job_that_never_reached_the_learner_is_cancelled_at_once(gateway, learner):
    await learner.stop()
    job_id = await gateway.start_job()
    job = (await gateway.client.delete(f"/jobs/{job_id}")).json()
    assert job["status"] == "cancelled"
    await learner.start()
    await asyncio.sleep(0.3)
    assert learner.jobs == {}


@pytest.mark.parametrize("method", ["Put", "StartJob", "WatchJob", "GetJob", "Fetch"])
async def test_a_call_that_fails_is_tried_again(gateway, learner, method):
    learner.faults[method] = [Unavailable("away")] * 6
    await gateway.until(await gateway.start_job(), "completed")


async def test_a_lost_result_fails_the_job(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job()
    learner.faults["Fetch"] = [Unavailable("away")] * 5
    learner.hold.set()
    await eventually(lambda: learner.jobs[job_id].result_digest)
    learner.blobs.clear()
    job = await gateway.until(job_id, "failed")
    assert "lost the result" in job["error_message"]


@pytest.mark.parametrize("job_id", ["nope", "..%2Fx", "%2e%2e%2f", "%00", "x" * 10_000, "%ff"])
async def test_an_odd_job_id_is_not_found(gateway, job_id):
    for path in ("", "/events", "/metrics", "/evaluation", "/download"):
        response = await gateway.client.get(f"/jobs/{job_id}{path}")
        assert response.status_code in (404, 422)
        assert set(response.json()) == {"detail", "code", "parameters", "errors"}
    assert (await gateway.client.delete(f"/jobs/{job_id}")).status_code in (404, 405, 422)


async def test_the_end_of_a_jobs_log_is_text(gateway, learner):
    job_id = await gateway.start_job()
    learner.printed = "one\ntwo\n蘋果 <b>\n"
    answer = await gateway.client.get(f"/jobs/{job_id}/log", params={"lines": 2})
    assert (answer.status_code, answer.text) == (200, "two\n蘋果 <b>\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_job_that_the_learner_does_not_know_has_an_empty_log(gateway, learner):
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    learner.lose_everything()
    answer = await gateway.client.get(f"/jobs/{job_id}/log")
    assert (answer.status_code, answer.text) == (200, "")


@pytest.mark.parametrize("lines", ["0", "10001", "x"])
async def test_a_number_of_lines_out_of_range_is_refused(gateway, lines):
    job_id = await gateway.start_job()
    answer = await gateway.client.get(f"/jobs/{job_id}/log", params={"lines": lines})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "lines"


async def test_a_log_of_a_learner_that_is_away_is_a_503(gateway, learner):
    job_id = await gateway.start_job()
    await gateway.until(job_id, "completed")
    await learner.stop()
    assert (await gateway.client.get(f"/jobs/{job_id}/log")).status_code == 503


@pytest.mark.parametrize(
    ("codes", "warning"),
    [
        ([], None),
        (["", "no_variety"], "no_variety"),
        (["no_variety", "nothing_left_to_learn"], "nothing_left_to_learn"),
        (["no_variety", "teaches_again", ""], None),
    ],
)
async def test_a_job_that_taught_nothing_is_no_plain_success(gateway, learner, codes, warning):
    learner.notice_codes = codes
    job = await gateway.until(await gateway.start_job(), "completed")
    assert job["warning"] == warning
    events = parse_events((await gateway.client.get(f"/jobs/{job['job_id']}/events")).text)
    said = [event["code"] for _, kind, event in events if kind == "notice"]
    assert said == [code or None for code in codes]


async def test_a_job_says_why_it_ended_early(gateway, learner):
    plain = await gateway.until(await gateway.start_job(), "completed")
    learner.end_reason = "no_improvement"
    early = await gateway.until(await gateway.start_job(), "completed")
    assert (plain["end_reason"], early["end_reason"]) == (None, "no_improvement")
    assert early["progress"] == 100.0
    events = parse_events((await gateway.client.get(f"/jobs/{early['job_id']}/events")).text)
    assert events[-1][2]["end_reason"] == "no_improvement"
