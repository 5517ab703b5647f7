"""Pictures that open large, and curves that name their points: by hand and by keyboard."""

import re
from dataclasses import replace

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.ui.scripted import ScriptedJob
from tests.ui.test_journey import check_accessibility
from tests.ui.visitor import PHONE, WIDE, Visitor, visitor
from tests.ui.words import Words

WORDS = Words("en")


async def opened(visit: Visitor, job: ScriptedJob) -> tuple[Locator, Locator]:
    """The first picture of the upload, and what it is once it is large."""
    await visit.open(f"/data/{job.file_id}")
    first = visit.page.locator("main .picture").first
    await first.press("Enter")
    large = visit.page.locator(".viewer img")
    await expect(large).not_to_have_js_property("naturalWidth", 0)
    return first, large


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_a_picture_is_looked_at_by_keyboard(browser: Browser, job: ScriptedJob, *, size):
    async with visitor(browser, job.url, size=size) as visit:
        first, large = await opened(visit, job)
        shown = await large.get_attribute("src")
        scale = visit.page.locator(".viewer output")
        keyboard = visit.page.keyboard
        await keyboard.press("+")
        await expect(scale).to_have_text("150%")
        await keyboard.press("ArrowLeft")
        await expect(large).to_have_attribute("style", re.compile(r"translate\(80px, 0px\)"))
        assert await large.get_attribute("src") == shown
        await keyboard.press("0")
        await expect(scale).to_have_text("100%")
        await keyboard.press("ArrowRight")
        await expect(large).not_to_have_attribute("src", shown)
        await expect(visit.page.locator(".viewer p")).to_have_text(WORDS("picture", row=3))
        await visit.settle()
        await check_accessibility(visit, "a large picture")
        await keyboard.press("Escape")
        await expect(visit.page.locator(".viewer")).to_have_count(0)
        await expect(first).to_be_focused()
        assert visit.complaints == []


async def test_a_picture_is_looked_at_by_hand(browser: Browser, job: ScriptedJob):
    async with visitor(browser, job.url) as visit:
        _, large = await opened(visit, job)
        scale = visit.page.locator(".viewer output")
        await visit.page.locator(".stage").hover()
        await visit.page.mouse.wheel(0, -200)
        await expect(scale).to_have_text("225%")
        before = await large.bounding_box()
        await visit.page.mouse.down()
        await visit.page.mouse.move(500, 500, steps=3)
        await visit.page.mouse.up()
        assert await large.bounding_box() != before
        await visit.press(WORDS("picture.smaller"))
        await expect(scale).to_have_text("150%")
        await visit.press(WORDS("picture.close"))
        await expect(visit.page.locator(".viewer")).to_have_count(0)


async def test_a_curve_names_its_points_by_keyboard(browser: Browser, job: ScriptedJob):
    for _ in range(5):
        await job.step()
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{job.job_id}")
        await expect(visit.page.locator(".chart canvas").first).to_be_visible()
        curve = visit.page.get_by_role("slider", name=WORDS("curve.reward_mean"), exact=True)
        output = visit.page.locator(".chart output").first
        for key, said in {
            "ArrowLeft": "step 5 · 0.80",
            "PageDown": "step 1 · 0.00",
            "ArrowRight": "step 2 · 0.50",
            "End": "step 5 · 0.80",
        }.items():
            await curve.press(key)
            await expect(output).to_have_text(said)
        await expect(curve).to_have_attribute("aria-valuetext", re.compile(r"step 5: .*0\.80"))
        stages = visit.page.locator(".chart", has_text=WORDS("curves.stages"))
        await expect(stages.locator("output")).to_have_text("step 5")
        await expect(stages.locator(".legend b").last).to_have_text("35")
        await curve.blur()
        await expect(output).to_have_text("0.80")


@pytest.mark.parametrize(("beta", "curves"), [(0.0, 0), (0.1, 1)])
async def test_without_a_weight_there_is_no_curve_of_kl(
    browser: Browser, job: ScriptedJob, *, beta, curves
):
    answer = await job.gateway.train(job.file_id, training_config={"beta": beta})
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{answer.json()['job_id']}")
        await expect(visit.page.locator(".chart").first).to_be_visible()
        await expect(visit.by_text(WORDS("curve.kl"))).to_have_count(curves)


async def test_each_of_several_rewards_has_its_curve(browser: Browser, job: ScriptedJob):
    rewards = [{"name": "exact"}, {"name": "progressive_count", "weight": 0.5}]
    answer = await job.gateway.train(job.file_id, rewards=rewards)
    both = replace(job, job_id=answer.json()["job_id"])
    await both.step()
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/jobs/{both.job_id}")
        means = visit.page.locator(".chart", has_text=WORDS("curve.reward_mean_by_component"))
        await expect(means.locator(".legend b")).to_have_text(["1.00", "0.75"])
        shares = visit.page.locator(
            ".details div", has_text=WORDS("curve.reward_share_by_component")
        )
        await expect(shares.locator("dd")).to_have_text("exact 0.25, progressive_count 0.38")
        await both.step()
        await expect(means.locator(".legend b")).to_have_text(["0.50", "0.75"])
        await visit.open(f"/jobs/{job.job_id}")
        await expect(visit.page.locator(".chart").first).to_be_visible()
        await expect(means).to_have_count(0)
        assert visit.complaints == []
