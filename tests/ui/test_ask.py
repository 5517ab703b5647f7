"""Questions about a picture and about a ZIP of them: their progress, their table, their end."""

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.gateway.packing import image_bytes, pack
from tests.ui.scripted import ScriptedJob
from tests.ui.test_journey import check_accessibility
from tests.ui.visitor import PHONE, visitor
from tests.ui.words import Words

WORDS = Words("en")


async def test_a_zip_is_asked_about_until_it_is_cancelled(
    browser: Browser, job: ScriptedJob, tmp_path: Path
):
    shelf = tmp_path / "shelf.zip"
    shelf.write_bytes(pack({"a.png": image_bytes(), "b.png": image_bytes(size=(40, 30))}))
    async with visitor(browser, job.url, size=PHONE) as visit:
        await visit.open("/ask")
        await expect(visit.by_text(WORDS("ask.none"))).to_be_visible()
        await visit.drop(shelf)
        await expect(visit.by_text("shelf.zip")).to_be_visible()
        await visit.press(WORDS("ask.do"))
        row = visit.page.locator(".rows .row")
        await expect(row).to_contain_text(WORDS("status.running"))
        await visit.settle()
        await check_accessibility(visit, "a ZIP")
        wider = "document.documentElement.scrollWidth - window.innerWidth"
        assert await visit.page.evaluate(wider) <= 0
        await visit.press(WORDS("job.cancel"))
        await expect(row).to_contain_text(WORDS("status.cancelled"))
        await expect(row.get_by_role("button")).to_have_text([WORDS("job.delete")])
        assert visit.complaints == []


async def test_a_jobs_best_adapter_answers_where_it_is_chosen(
    browser: Browser, job: ScriptedJob, tmp_path: Path
):
    job.learner.hold.set()
    answer = await job.gateway.train(job.file_id, training_config={"evaluation_steps": 1})
    job_id = answer.json()["job_id"]
    await job.gateway.until(job_id, "completed")
    shelf = tmp_path / "shelf.zip"
    shelf.write_bytes(pack({"a.png": image_bytes(), "b.png": image_bytes(size=(40, 30))}))
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/ask?adapter={job_id}:best&question=How+many%3F&bound=0.9")
        await visit.drop(shelf)
        await visit.press(WORDS("ask.do"))
        row = visit.page.locator(".rows .row")
        await expect(row).to_contain_text(WORDS("status.completed"))
        [batch] = (await job.gateway.client.get("/predictions")).json()
        assert (batch["job_id"], batch["question"]) == (job_id, "How many?")
        assert batch["abstain_below"] == 0.9
        await visit.open(f"/jobs/{job_id}?view=ask")
        await expect(row).to_have_count(1)
        await visit.open(f"/jobs/{job.job_id}?view=ask")
        await expect(visit.by_text(WORDS("ask.none"))).to_be_visible()


async def test_a_bad_zip_is_told_as_elsewhere(browser: Browser, job: ScriptedJob, tmp_path: Path):
    empty = tmp_path / "empty.zip"
    empty.write_bytes(pack({"a.txt": b"x"}))
    async with visitor(browser, job.url) as visit:
        await visit.open("/ask")
        await visit.drop(empty)
        await visit.press(WORDS("ask.do"))
        await expect(visit.page.get_by_role("alert").first).to_be_visible()
        assert (await job.gateway.client.get("/predictions")).json() == []
