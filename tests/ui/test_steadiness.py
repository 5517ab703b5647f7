"""What a visitor reads, holds or points at stays while a job trains."""

import pytest
from playwright.async_api import Browser, ElementHandle, Locator, expect

from tests.ui.journey import until_step
from tests.ui.scripted import PHASES, ScriptedJob
from tests.ui.visitor import PHONE, WIDE, Visitor, visitor
from tests.ui.words import Words

SIZES = pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
BOTH = pytest.mark.parametrize("language", ["en", "zh-TW"])
VIEWS = ("curves", "samples", "compare", "ask", "about")
CONTROLS = "main :is(a, button, input, select)"
LOADING_SHIFT_MOST = 0.02


async def show_step(visit: Visitor, job: ScriptedJob, words: Words) -> None:
    """A step, each of whose phases is seen."""
    for phase in PHASES:
        await job.turn(phase)
        name = {2: "phase.loading", 7: "phase.waiting for rollout"}.get(phase, "status.training")
        await expect(visit.page.locator(".status")).to_have_text(words(name))
    await until_step(visit, await job.step())


async def held(controls: Locator) -> list[tuple[ElementHandle, dict]]:
    """The very nodes, and where they are."""
    handles = await controls.element_handles()
    assert handles
    return [(handle, await handle.bounding_box()) for handle in handles]


async def assert_unmoved(nodes: list[tuple[ElementHandle, dict]]) -> None:
    for handle, box in nodes:
        assert await handle.evaluate("(node) => node.isConnected"), await handle.inner_text()
        assert await handle.bounding_box() == box, await handle.evaluate("(node) => node.outerHTML")


@SIZES
@BOTH
@pytest.mark.parametrize("view", VIEWS)
async def test_nothing_that_can_be_pressed_moves(
    browser: Browser, job: ScriptedJob, *, size, language, view
):
    async with visitor(browser, job.url, size=size, language=language) as visit:
        await visit.open(f"/jobs/{job.job_id}?view={view}")
        await visit.page.locator(".view > *").first.wait_for()
        shift, what = await visit.shifts()
        assert shift < LOADING_SHIFT_MOST, what
        controls = await held(visit.page.locator(CONTROLS))
        for _ in range(3):
            await show_step(visit, job, Words(language))
        await assert_unmoved(controls)
        assert await visit.shifts() == (0, [])
        assert visit.complaints == []


@SIZES
async def test_pages_come_without_a_shift(browser: Browser, job: ScriptedJob, *, size):
    last = {
        "/": ".row",
        f"/data/{job.file_id}": ".pictures img",
        f"/train?data_file_id={job.file_id}": ".presets",
        "/jobs": ".row",
        f"/jobs/{job.job_id}?view=ask&file={job.file_id}&row=3": "form img",
    }
    async with visitor(browser, job.url, size=size) as visit:
        for place, part in last.items():
            await visit.page.goto("about:blank")
            await visit.open(place)
            await visit.page.locator(part).last.wait_for()
            shift, what = await visit.shifts()
            assert shift < LOADING_SHIFT_MOST, (place, what)


async def test_a_press_outlasts_the_steps_that_come_during_it(browser: Browser, job: ScriptedJob):
    words = Words("en")
    async with visitor(browser, job.url, size=PHONE) as visit:
        await visit.open(f"/jobs/{job.job_id}")
        cancel = visit.page.get_by_role("button", name=words("job.cancel"))
        await cancel.focus()
        await show_step(visit, job, words)
        await expect(cancel).to_be_focused()
        await cancel.hover()
        await visit.page.mouse.down()
        await show_step(visit, job, words)
        await visit.page.mouse.up()
        await visit.press(words("job.cancel.do"))
        await expect(visit.by_text(words("status.cancelled"))).to_be_visible()
        assert job.learner.calls["CancelJob"] == 1


async def test_a_chosen_step_stays_as_it_is(browser: Browser, job: ScriptedJob):
    words = Words("en")
    for _ in range(3):
        await job.step()
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{job.job_id}?view=samples&step=2")
        choice = visit.page.locator("select")
        await expect(choice).to_have_value("2")
        await expect(visit.page.locator("img").last).not_to_have_js_property("naturalWidth", 0)
        nodes = await held(visit.page.locator(".group, .group img"))
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url))
        for _ in range(3):
            await show_step(visit, job, words)
        await assert_unmoved(nodes)
        assert [url for url in asked if "/images/" in url] == []
        await expect(choice.locator("option")).to_have_count(7)
        await choice.select_option(label=words("sample.latest", step=6))
        await expect(visit.page.get_by_text("6 apples").first).to_be_visible()
        await choice.blur()
        await show_step(visit, job, words)
        await expect(visit.page.get_by_text("7 apples").first).to_be_visible()


async def test_a_list_of_choices_waits_while_it_is_held(browser: Browser, job: ScriptedJob):
    await job.step()
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{job.job_id}?view=samples")
        choice = visit.page.locator("select")
        await choice.focus()
        await show_step(visit, job, Words("en"))
        await expect(visit.page.get_by_text("2 apples").first).to_be_visible()
        await expect(choice.locator("option")).to_have_count(2)
        await expect(choice).to_be_focused()
        await choice.blur()
        await expect(choice.locator("option")).to_have_count(3)


async def test_a_row_of_the_list_is_held_while_jobs_come(browser: Browser, job: ScriptedJob):
    async with visitor(browser, job.url) as visit:
        await visit.open("/jobs")
        row = visit.page.locator(".row", has_text="apples")
        await row.focus()
        handle = await row.element_handle()
        await job.start_another()
        await expect(visit.page.locator(".row")).to_have_count(2)
        assert await handle.evaluate("(node) => node === document.activeElement")


async def test_where_a_reader_points_and_zooms_stays(browser: Browser, job: ScriptedJob):
    for _ in range(12):
        await job.step()
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{job.job_id}")
        over = visit.page.locator(".chart .u-over").first
        output = visit.page.locator(".chart output").first
        await over.hover(position={"x": 120, "y": 50})
        await visit.page.mouse.down()
        await visit.page.mouse.move(*await at(over, 200, 50), steps=4)
        await visit.page.mouse.up()
        pointed = await output.inner_text()
        assert pointed != last_reward(job)
        for _ in range(3):
            await show_step(visit, job, Words("en"))
        await expect(output).to_have_text(pointed)
        await visit.page.mouse.dblclick(*await at(over, 100, 50))
        await until_step(visit, await job.step())
        box = await over.bounding_box()
        await over.hover(position={"x": box["width"] - 1, "y": 50})
        await expect(output).to_have_text(f"step {job.at} · {last_reward(job)}")


async def test_curves_reach_the_latest_step(browser: Browser, job: ScriptedJob):
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{job.job_id}")
        over = visit.page.locator(".chart .u-over").first
        output = visit.page.locator(".chart output").first
        for _ in range(5):
            await until_step(visit, await job.step())
            await expect(output).to_have_text(last_reward(job))
        box = await over.bounding_box()
        await over.hover(position={"x": box["width"] / 2, "y": 50})
        await expect(output).to_have_text(f"step 3 · {1 - 1 / 3:.2f}")


async def at(box: Locator, x: float, y: float) -> tuple[float, float]:
    place = await box.bounding_box()
    assert place
    return place["x"] + x, place["y"] + y


def last_reward(job: ScriptedJob) -> str:
    return f"{1 - 1 / job.at:.2f}"


async def test_what_is_chosen_for_a_comparison_stays_while_one_runs(
    browser: Browser, job: ScriptedJob
):
    words = Words("en")
    for name in ("one.zip", "other.zip"):
        files = {"file": (name, job.dataset.read_bytes(), "application/zip")}
        await job.gateway.client.post("/upload-data", files=files)
    job.learner.steps = 1
    job.learner.hold.set()
    await job.gateway.until(job.job_id, "completed")
    job.learner.hold.clear()
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{job.job_id}?view=compare")
        choice = visit.page.locator("select")
        await visit.press(words("compare.start"))
        await expect(visit.page.get_by_text(words("compare.running", share=0))).to_be_visible()
        await choice.select_option(label="one.zip")
        await choice.focus()
        handle = await choice.element_handle()
        job.learner.hold.set()
        await expect(visit.page.locator(".matrix")).to_have_count(2)
        await expect(choice).to_be_focused()
        assert await handle.evaluate("(node) => node.selectedOptions[0].text") == "one.zip"


@SIZES
async def test_an_absurd_answer_is_shown_in_few_letters(
    browser: Browser, job: ScriptedJob, *, size
):
    await job.step()
    async with visitor(browser, job.url, size=size) as visit:
        await visit.open(f"/jobs/{job.job_id}")
        words = Words("en")
        median = visit.page.locator(".chart", has_text=words("curve.median_absolute_count_error"))
        mean = visit.page.locator(".details div", has_text=words("curve.mean_absolute_count_error"))
        await until_step(visit, await job.step(error=11_111_115.25))
        await expect(median.locator("output")).to_have_text("1.00")
        await expect(mean.locator("dd")).to_have_text("11.1M")
        await visit.open(f"/jobs/{job.job_id}?view=samples")
        await expect(visit.page.locator(".answer b").nth(1)).to_have_text("11.1M")
        wider = "document.documentElement.scrollWidth - window.innerWidth"
        assert await visit.page.evaluate(wider) <= 0
