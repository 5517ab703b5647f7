"""Several runs in one chart, comparisons by name, tables that fit a phone, and what is deleted."""

from dataclasses import replace

from playwright.async_api import Browser, expect

from tests.ui.scripted import ScriptedJob
from tests.ui.test_journey import check_accessibility
from tests.ui.visitor import PHONE, visitor
from tests.ui.words import Words

WORDS = Words("en")


async def test_runs_share_charts_and_their_settings_stand_side_by_side(
    browser: Browser, job: ScriptedJob
):
    answer = await job.gateway.train(
        job.file_id, job_name="pears", training_config={"learning_rate": 1e-4}
    )
    other = replace(job, job_id=answer.json()["job_id"])
    await job.gateway.until(other.job_id, "training", phase="learning")
    for _ in range(3):
        await job.step()
    for _ in range(2):
        await other.step()
    async with visitor(browser, job.url, size=PHONE) as visit:
        await visit.open("/jobs")
        await visit.press(WORDS("runs.link"))
        await expect(visit.page.locator("h1")).to_have_text(WORDS("runs.title"))
        for name in ("pears", "apples"):
            await visit.page.get_by_role("checkbox", name=name).check()
        await expect(visit.page.locator(".chart canvas")).to_have_count(4)
        reward = visit.page.locator(".chart").first
        await expect(reward.locator(".legend")).to_contain_text("apples 0.67")
        await expect(reward.locator(".legend")).to_contain_text("pears 0.50")
        rate = visit.page.locator(".facing tr", has_text=WORDS("set.learning_rate"))
        await expect(rate.locator("td")).to_have_text(["0.0001", "0.00005"])
        await expect(visit.page.locator(".facing")).not_to_contain_text(WORDS("set.seed"))
        await other.step()
        await expect(reward.locator(".legend")).to_contain_text("pears 0.67")
        await visit.settle()
        await check_accessibility(visit, "runs")
        wider = "document.documentElement.scrollWidth - window.innerWidth"
        assert await visit.page.evaluate(wider) <= 0
        await visit.page.reload()
        await expect(visit.page.locator(".chart canvas")).to_have_count(4)
        assert visit.complaints == []


async def finish(job: ScriptedJob) -> None:
    job.learner.steps = 1
    job.learner.hold.set()
    await job.gateway.until(job.job_id, "completed")


async def test_comparisons_go_by_the_names_of_their_data_and_fit_a_phone(
    browser: Browser, job: ScriptedJob
):
    files = {"file": ("other.zip", job.dataset.read_bytes(), "application/zip")}
    await job.gateway.client.post("/upload-data", files=files)
    await finish(job)
    async with visitor(browser, job.url, size=PHONE) as visit:
        await visit.open(f"/jobs/{job.job_id}?view=compare")
        table = visit.page.locator(".facing")
        await expect(table).to_be_visible()
        inside = "(table) => table.scrollWidth <= table.parentNode.clientWidth"
        assert await table.evaluate(inside)
        await visit.page.locator("select").select_option(label="other.zip")
        job.learner.hold.clear()
        await visit.press(WORDS("compare.start"))
        named = visit.page.locator("a.button", has_text="other.zip")
        await expect(named).to_have_attribute("aria-current", "true")
        await expect(visit.page.get_by_role("button", name=WORDS("job.delete"))).to_be_disabled()
        job.learner.hold.set()
        await visit.press(WORDS("job.delete"))
        await visit.press(WORDS("compare.delete.do"))
        await expect(named).to_have_count(0)
        assert (await job.gateway.client.get("/evaluations")).json() == []


async def test_data_is_deleted_once_nothing_uses_it(browser: Browser, job: ScriptedJob):
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/data/{job.file_id}")
        await visit.press(WORDS("job.delete"))
        await expect(visit.page.get_by_role("dialog")).to_contain_text(WORDS("dataset.delete.text"))
        await visit.press(WORDS("dataset.delete.do"))
        await expect(visit.page.locator(".note").first).to_contain_text("job")
        await finish(job)
        await visit.press(WORDS("job.delete"))
        await visit.press(WORDS("dataset.delete.do"))
        await expect(visit.by_text(WORDS("home.none"))).to_be_visible()
