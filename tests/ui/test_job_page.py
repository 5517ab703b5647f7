"""What a job's page says of it, and what it asks before something ends or goes."""

from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from playwright.async_api import Browser, expect

from tally.learner.v1 import learner_pb2 as pb
from tests.fakes.learner import FakeLearner
from tests.ui.journey import cancel, upload
from tests.ui.rewritten import rewritten
from tests.ui.scripted import ScriptedJob, running_gateway
from tests.ui.test_states import repacked
from tests.ui.visitor import PHONE, visitor
from tests.ui.words import Words

WORDS = Words("en")
SETTINGS = {
    "job_name": "apples, slowly",
    "training_config": {"learning_rate": 2e-5, "use_4bit": False, "loss_type": "grpo"},
    "lora_config": {"r": 8},
    "rewards": [{"name": "exact", "weight": 0.5}, {"name": "progressive_count", "weight": 1.0}],
    "prompt": {"system_prompt": "Look twice.\nThen count.", "question_template": "Q: {question}"},
    "evaluation_share": 0.2,
    "priority": -2,
}


async def test_it_says_what_the_job_is_and_what_its_workers_printed(
    browser: Browser, job: ScriptedJob
):
    await job.step()
    job.learner.printed = "loading the model\n"
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{job.job_id}?view=about")
        facts = visit.page.locator(".facts")
        await expect(facts).to_contain_text(job.job_id)
        data = facts.get_by_role("link", name="training_data.zip").first
        await expect(data).to_have_attribute("href", f"#/data/{job.file_id}")
        log = visit.page.locator(".log")
        await expect(log).to_have_text("loading the model")
        job.learner.printed += "step 1\n"
        await expect(log).to_contain_text("step 1")
        await visit.by_text(job.job_id).click()
        assert await visit.page.evaluate("getSelection().toString()") == job.job_id
        assert visit.complaints == []


async def test_a_copy_with_changes_asks_for_the_same_but_for_these(
    browser: Browser, job: ScriptedJob
):
    answer = await job.gateway.train(job.file_id, **SETTINGS)
    path = f"/jobs/{answer.json()['job_id']}"
    await job.gateway.client.patch(path, json={"tags": ["apples", "slow"]})
    async with visitor(browser, job.url) as visit:
        await visit.open(f"{path}?view=about")
        await expect(visit.page.locator(".settings").first).to_contain_text("0.00002")
        await visit.press(WORDS("job.copy"))
        await visit.page.wait_for_url("**/ui#/train?*")
        await visit.fill({"training_config.seed": 7})
        await visit.press(WORDS("train.start"))
        await visit.page.wait_for_url("**/ui#/jobs/*")
        copy_id = visit.place.rpartition("/")[2]
        asked, copied = [
            (await job.gateway.client.get(f"/jobs/{one}/settings")).json()
            for one in (answer.json()["job_id"], copy_id)
        ]
        assert copied["training_config"].pop("seed") == 7
        del asked["training_config"]["seed"]
        assert copied == asked
        assert (await job.gateway.job(copy_id))["tags"] == ["apples", "slow"]


async def test_a_copy_begins_with_the_same_adapter_and_asks_as_it_does(
    browser: Browser, job: ScriptedJob
):
    job.learner.hold.set()
    config = {"evaluation_steps": 1}
    first = (await job.gateway.train(job.file_id, training_config=config)).json()["job_id"]
    await job.gateway.until(first, "completed")
    begun = await job.gateway.train(
        job.file_id, adapter_job_id=first, adapter_checkpoint="best", training_config=config
    )
    begun_id = begun.json()["job_id"]
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{begun_id}?view=about")
        await visit.press(WORDS("job.copy"))
        await visit.page.wait_for_url("**/ui#/train?*")
        await expect(visit.page.locator("[name=adapter]")).to_have_value(f"{first}:best")
        await visit.fill({"priority": -3})
        await visit.press(WORDS("train.start"))
        await visit.page.wait_for_url("**/ui#/jobs/*")
        asked, copied = [
            (await job.gateway.client.get(f"/jobs/{one}/settings")).json()
            for one in (begun_id, visit.place.rpartition("/")[2])
        ]
        assert copied == asked | {"priority": -3}


async def test_a_job_is_trained_on_from_another_under_its_settings(
    browser: Browser, job: ScriptedJob
):
    job.learner.hold.set()
    await job.gateway.until(job.job_id, "completed")
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{job.job_id}?view=about")
        await visit.press(WORDS("job.trainOn"))
        await visit.page.wait_for_url("**/ui#/train?*")
        adapter = visit.page.get_by_label(WORDS("set.adapter"))
        await expect(adapter).to_have_value(job.job_id)
        # As the fake learner's adapters are.
        await visit.fill({"lora_config.r": 2, "lora_config.lora_alpha": 4})
        await visit.press(WORDS("train.start"))
        await visit.page.wait_for_url("**/ui#/jobs/*")
        begun = await job.gateway.job(visit.place.rpartition("/")[2])
        assert begun["adapter_job_id"] == job.job_id


async def test_a_models_licence_stands_beside_it(browser: Browser, job: ScriptedJob):
    licence = pb.Licence(title="Research only", link="https://example.org")
    job.learner.described_models = [pb.BaseModel(name="small", licence=licence)]
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/train?data_file_id={job.file_id}")
        await expect(visit.page.locator("[name=model] option")).to_have_text(
            ["small · Research only"]
        )


async def test_cancel_asks(browser: Browser, job: ScriptedJob):
    async with visitor(browser, job.url, size=PHONE) as visit:
        await visit.open(f"/jobs/{job.job_id}")
        await visit.press(WORDS("job.cancel"))
        asked = visit.page.get_by_role("dialog")
        await expect(asked).to_contain_text(WORDS("job.cancel.text"))
        await visit.press(WORDS("keep"))
        await expect(asked).to_have_count(0)
        await visit.press(WORDS("job.cancel"))
        await visit.page.keyboard.press("Escape")
        await expect(asked).to_have_count(0)
        assert job.learner.calls["CancelJob"] == 0
        await cancel(visit, WORDS)
        await expect(visit.by_text(WORDS("status.cancelled"))).to_be_visible()


async def test_what_ended_has_a_duration_and_can_be_deleted(browser: Browser, job: ScriptedJob):
    job.learner.steps = 1
    job.learner.hold.set()
    ended = await job.gateway.until(job.job_id, "completed")
    assert ended["created_at"] <= ended["started_at"] <= ended["ended_at"]
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{job.job_id}?view=about")
        await visit.press(WORDS("job.delete"))
        await expect(visit.page.get_by_role("dialog")).to_contain_text(WORDS("job.delete.text"))
        await visit.press(WORDS("job.delete.do"))
        await expect(visit.page.locator("h1")).to_have_text(WORDS("nav.jobs"))
        await expect(visit.by_text(WORDS("jobs.none"))).to_be_visible()


async def test_a_job_that_waits_tells_its_place(browser: Browser, data: Path, tmp_path: Path):
    learner = FakeLearner()
    learner.turn.clear()
    async with running_gateway(tmp_path / "gateway", learner) as gateway:
        job_id = await gateway.start_job()
        start = Timestamp()
        start.FromDatetime(datetime(2030, 1, 20, 10, 30, tzinfo=UTC))
        waiting = pb.WaitingJob(job_id=job_id, estimated_start=start)
        learner.queue = [pb.WaitingJob(job_id="another"), waiting]
        await gateway.until(job_id, "training", queue_position=2)
        async with visitor(browser, f"http://127.0.0.1:{gateway.port}") as visit:
            await visit.open(f"/jobs/{job_id}")
            line = visit.page.locator(".job-head > .muted")
            await expect(line).to_contain_text(WORDS("queue.place", place=2))
            await expect(line).to_contain_text("2030")
            learner.queue = [waiting]
            await expect(line).to_contain_text(WORDS("queue.place", place=1))
            learner.turn.set()
            await expect(visit.by_text(WORDS("status.completed"))).to_be_visible()


async def test_bad_rows_are_left_out_where_one_asks_for_it(
    browser: Browser, job: ScriptedJob, data: Path, tmp_path: Path
):
    bad = repacked(data / "held_out.zip", tmp_path / "bad.zip", images_path="gone.png")
    async with visitor(browser, job.url) as visit:
        await visit.open("/")
        await visit.drop(bad)
        await visit.press(WORDS("read.again"))
        left = visit.page.get_by_role("status").filter(has_text="gone.png")
        await expect(left).to_contain_text("row 3")
        await visit.press(WORDS("read.look"))
        await expect(visit.page.locator(".figures")).to_contain_text(WORDS("dataset.skipped"))


async def test_what_was_guessed_of_an_encoding_is_told(
    browser: Browser, job: ScriptedJob, tmp_path: Path
):
    def in_chinese(table: bytes) -> bytes:
        return table.decode().replace("How many", "圖中有多少個", 1).encode("big5")

    path = rewritten(job.dataset, tmp_path / "big5.zip", in_chinese)
    async with visitor(browser, job.url) as visit:
        await upload(visit, path)
        await expect(visit.page.locator(".callout.warn")).to_contain_text("Big5")
