"""How a job is found again: by what was said of it, and however old it is."""

from playwright.async_api import Browser, Route, expect

from tests.ui.scripted import ScriptedJob
from tests.ui.test_journey import check_accessibility
from tests.ui.visitor import PHONE, Visitor, visitor
from tests.ui.words import Words

WORDS = Words("en")


async def test_jobs_are_looked_for_and_compared(browser: Browser, job: ScriptedJob):
    for name, tags in {"pears": ["fruit"], "cups": ["kitchen"]}.items():
        await job.gateway.train(job.file_id, job_name=name, tags=tags)
    async with visitor(browser, job.url, size=PHONE) as visit:
        await visit.open("/jobs")
        names = visit.page.locator(".row strong")
        await expect(names).to_have_text(["cups", "pears", "apples"])
        search = visit.page.get_by_label(WORDS("jobs.q"))
        await search.fill("FRU")
        await expect(names).to_have_text(["pears"])
        await expect(visit.page.locator(".row")).to_contain_text("fruit")
        await visit.settle()
        await check_accessibility(visit, "found jobs")
        wider = "document.documentElement.scrollWidth - window.innerWidth"
        assert await visit.page.evaluate(wider) <= 0
        await visit.page.reload()
        await expect(search).to_have_value("FRU")
        await visit.press(WORDS("runs.link"))
        await expect(visit.page.get_by_role("checkbox")).to_have_count(1)
        await expect(visit.page.get_by_role("checkbox", name="pears")).to_be_visible()
        await visit.open("/jobs?q=fruit&status=training")
        await expect(names).to_have_text(["pears"])
        await visit.page.get_by_label(WORDS("jobs.status")).select_option("failed")
        await expect(visit.by_text(WORDS("jobs.notFound"))).to_be_visible()
        assert visit.complaints == []


async def test_a_job_is_named_tagged_and_annotated_where_it_is_shown(
    browser: Browser, job: ScriptedJob
):
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{job.job_id}?view=about")
        await keep(visit, "set.job_name", "red apples")
        await expect(visit.page.locator("h1")).to_have_text("red apples")
        await keep(visit, "set.tags", "Paper, red")
        await keep(visit, "set.notes", "The one\nin the report.")
        said = await job.gateway.job(job.job_id)
        assert said["job_name"] == "red apples"
        assert (said["tags"], said["notes"]) == (["paper", "red"], "The one\nin the report.")
        await keep(visit, "set.tags", "x" * 41, told="tags.0")
        assert (await job.gateway.job(job.job_id))["tags"] == ["paper", "red"]
        await visit.page.reload()
        await expect(visit.page.get_by_label(WORDS("set.notes"))).to_have_value(said["notes"])


async def keep(visit: Visitor, key: str, text: str, told: str = WORDS("about.kept")) -> None:
    """Writes `text` into a field and leaves it; waits until what came of it is `told`."""
    field = visit.page.get_by_label(WORDS(key), exact=True)
    await field.fill(text)
    await field.blur()
    note = visit.page.locator(".note", has_text=told).last
    await expect(note).to_be_visible()
    await note.evaluate("(node) => node.remove()")


async def test_an_adapter_is_offered_however_old_its_job_is(browser: Browser, job: ScriptedJob):
    job.learner.hold.set()
    answer = await job.gateway.train(
        job.file_id, job_name="long ago", training_config={"evaluation_steps": 1}
    )
    old_id = answer.json()["job_id"]
    await job.gateway.until(old_id, "completed")

    async def leave_out(route: Route) -> None:
        """As if 200 jobs had come since."""
        newest = await (await route.fetch()).json()
        await route.fulfill(json=[one for one in newest if one["job_id"] != old_id])

    offered = [f"long ago · {WORDS(f'compare.{which}')}" for which in ("last", "best")]
    async with visitor(browser, job.url) as visit:
        await visit.page.route("**/jobs?limit=200*", leave_out)
        for place in (f"/train?data_file_id={job.file_id}&", "/ask?"):
            await visit.open(f"{place}adapter={old_id}:best")
            options = visit.page.locator("option", has_text="long ago")
            await expect(options).to_have_text(offered)
            chosen = visit.page.locator("[name=adapter]")
            await expect(chosen).to_have_value(f"{old_id}:best")
        assert visit.complaints == []
        await visit.open(f"/runs?jobs={old_id}")
        await expect(visit.page.get_by_role("link", name="long ago")).to_be_visible()
