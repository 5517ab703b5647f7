"""From a ZIP to an adapter in a real browser: wide and on a phone, in both languages."""

import csv
import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.stack import Stack
from tests.ui.journey import cancel, download, start, steps_shown, until_step, upload
from tests.ui.visitor import PHONE, WIDE, Visitor, visitor
from tests.ui.words import Words

ASKED = {"rewards.exact": 0.5, "rewards.progressive_count": 1, "tags": "fruit"}
WAYS = [(WIDE, "en"), (PHONE, "zh-TW")]
OTHER_WAYS = [(WIDE, "zh-TW"), (PHONE, "en")]


@pytest.mark.parametrize(("size", "language"), WAYS)
async def test_a_visitor_goes_all_the_way(
    browser: Browser, stack: Stack, data: Path, *, size, language, tmp_path
):
    words = Words(language)
    async with visitor(browser, stack.url, size=size, language=language) as visit:
        held_out_id = await upload(visit, data / "held_out.zip")
        file_id = await upload(visit, data / "training_data.zip")
        cancelled_id = await start(visit, words, file_id, held_out_id, ASKED)
        assert stack.get(f"/jobs/{cancelled_id}")["tags"] == ["fruit"]
        await watch_the_curve_move(visit)
        await cancel(visit, words)
        await expect(visit.by_text(words("status.cancelled"))).to_be_visible()
        await visit.press(words("job.resume"))
        await visit.page.wait_for_url(lambda url: "jobs/" in url and cancelled_id not in url)
        job_id = visit.place.rpartition("/")[2]
        await expect(visit.by_text(words("status.completed"))).to_be_visible()
        resumed = stack.get(f"/jobs/{job_id}")
        assert (resumed["resumed_from_job_id"], resumed["tags"]) == (cancelled_id, ["fruit"])
        asked = stack.get(f"/jobs/{job_id}/settings")
        assert asked["resume_from_job_id"] == cancelled_id
        await visit.press(words("view.about"))
        await expect(visit.page.get_by_role("link", name=cancelled_id)).to_be_visible()
        await compare(visit, words)
        await try_it(visit, words)
        await ask_about_a_zip(visit, words, data / "held_out.zip")
        await look_back(visit, words)
        saved = await download(visit, words)
        await saved.save_as(tmp_path / "adapter.zip")
        assert "adapter_model.safetensors" in zipfile.ZipFile(tmp_path / "adapter.zip").namelist()
        await find_again(visit, words, job_id)
        assert visit.complaints == []


async def watch_the_curve_move(visit: Visitor) -> None:
    await until_step(visit, 1)
    reward = visit.page.locator(".chart").first
    await expect(reward.locator("canvas")).to_be_visible()
    before = await reward.locator("canvas").screenshot()
    step = await steps_shown(visit)
    await until_step(visit, step + 2)
    while await reward.locator("canvas").screenshot() == before:
        await visit.page.wait_for_timeout(100)


async def compare(visit: Visitor, words: Words) -> None:
    await visit.press(words("view.compare"))
    await expect(visit.page.locator(".matrix")).to_have_count(2)
    await expect(visit.page.locator(".whisker")).to_have_count(2)
    await expect(visit.by_text(words("compare.sure"))).to_be_visible()
    await expect(visit.page.locator(".card img").first).to_be_visible()
    await expect(visit.by_text(words("compare.exact", n=18))).to_be_visible()


async def try_it(visit: Visitor, words: Words) -> None:
    await visit.press(words("compare.try"))
    await visit.press(words("ask.do"))
    await expect(visit.page.locator(".sides strong")).to_have_count(2)


async def ask_about_a_zip(visit: Visitor, words: Words, path: Path) -> None:
    await visit.drop(path)
    await visit.page.locator('[name="bound"]').fill("0.5")
    await visit.press(words("ask.do"))
    row = visit.page.locator(".rows .row")
    await expect(row).to_contain_text(words("status.completed"))
    async with visit.page.expect_download() as waiting:
        await visit.press(words("compare.csv"))
    with (await (await waiting.value).path()).open(encoding="utf-8-sig") as table:
        lines = list(csv.DictReader(table))
    assert len(lines) == 18
    assert all(line["count"] == "" for line in lines if float(line["probability"]) < 0.5)
    await visit.press(words("job.delete"))
    await visit.press(words("ask.delete.do"))
    await expect(row).to_have_count(0)


async def look_back(visit: Visitor, words: Words) -> None:
    await visit.press(words("view.about"))
    await expect(visit.page.locator(".log")).to_contain_text("step")
    async with visit.page.expect_download() as waiting:
        await visit.press(words("job.merged.last"))
    merged = await (await waiting.value).path()
    names = zipfile.ZipFile(merged).namelist()
    assert "model.safetensors" in names
    assert "adapter_model.safetensors" not in names
    await visit.press(words("job.copy"))
    await expect(visit.page.locator('[name="training_config.max_steps"]')).to_have_value("16")
    await expect(visit.page.locator('[name="rewards.exact"]')).to_have_value("0.5")
    await visit.page.go_back()
    await expect(visit.page.locator(".facts")).to_be_visible()


async def find_again(visit: Visitor, words: Words, job_id: str) -> None:
    await visit.open("/jobs")
    await visit.page.get_by_label(words("jobs.q")).fill(job_id[:8])
    await expect(visit.page.locator(".row")).to_have_count(1)
    await expect(visit.page.locator(".row")).to_contain_text("fruit")


@pytest.mark.parametrize(("size", "language"), [*WAYS, *OTHER_WAYS])
@pytest.mark.parametrize("dark", [False, True])
async def test_every_page_is_accessible_and_fits(
    browser: Browser, stack: Stack, *, size, language, dark
):
    job = next(job for job in stack.get("/jobs") if job["status"] == "completed")
    path = f"/jobs/{job['job_id']}"
    file_id = job["data_file_id"]
    async with visitor(browser, stack.url, size=size, language=language, dark=dark) as visit:
        views = [f"{path}?view={view}" for view in ("curves", "samples", "compare", "ask", "about")]
        runs = f"/runs?jobs={job['job_id']}"
        for place in (
            "/",
            f"/data/{file_id}",
            f"/train?data_file_id={file_id}",
            "/jobs",
            "/ask",
            runs,
            *views,
        ):
            await visit.open(place)
            await visit.settle()
            await check_accessibility(visit, place)
            wider = "document.documentElement.scrollWidth - window.innerWidth"
            assert await visit.page.evaluate(wider) <= 0, place
        assert visit.complaints == []


async def check_accessibility(visit: Visitor, place: str) -> None:
    results = await Axe().run(visit.page)
    found = [
        (violation["id"], [node["target"] for node in violation["nodes"]][:3])
        for violation in results.response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert found == [], place
