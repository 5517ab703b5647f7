"""How the page shows a run that was evaluated, taught nothing at last and kept its best adapter."""

from pathlib import Path

from playwright.async_api import Browser, expect

from tally.messages.convert import coded_message
from tally.messages.languages import Language
from tally.messages.message import Message
from tests.fakes.learner import FakeLearner
from tests.ui.scripted import running_gateway
from tests.ui.visitor import visitor
from tests.ui.words import Words

WORDS = Words("en")


async def test_why_a_job_failed_is_said_in_the_pages_language(browser: Browser, tmp_path: Path):
    learner = FakeLearner()
    out_of_memory = Message("out_of_memory")
    learner.fail_with, learner.said = str(out_of_memory), coded_message(out_of_memory)
    async with running_gateway(tmp_path / "gateway", learner) as gateway:
        job_id = await gateway.start_job()
        await gateway.until(job_id, "failed")
        url = f"http://127.0.0.1:{gateway.port}"
        for language in Language:
            async with visitor(browser, url, language=language) as visit:
                await visit.open(f"/jobs/{job_id}")
                said = out_of_memory.say(language)
                await expect(visit.page.locator(".callout.bad")).to_have_text(said)


async def test_what_was_measured_kept_and_not_taught_is_shown(browser: Browser, tmp_path: Path):
    learner = FakeLearner()
    learner.notice_codes = ["no_variety"]
    learner.end_reason = "nothing_taught"
    async with running_gateway(tmp_path / "gateway", learner) as gateway:
        job_id = await gateway.start_job(training_config={"evaluation_steps": 1})
        await gateway.until(job_id, "completed")
        async with visitor(browser, f"http://127.0.0.1:{gateway.port}") as visit:
            await visit.open(f"/jobs/{job_id}")
            held_out = visit.page.locator(".chart", has_text=WORDS("curves.heldOut"))
            await expect(held_out.locator("canvas")).to_be_visible()
            await expect(held_out.locator(".legend b")).to_have_text(["13%", "75%", "25%"])
            await held_out.get_by_role("slider").press("ArrowLeft")
            await held_out.get_by_role("slider").press("ArrowLeft")
            await expect(held_out.locator("output")).to_have_text("step 2")
            await expect(held_out.locator(".legend b").last).to_have_text("50%")
            await expect(visit.by_text(WORDS("end.nothing_taught"))).to_be_visible()
            await expect(visit.by_text(WORDS("warning.no_variety"))).to_be_visible()
            async with visit.page.expect_download() as waiting:
                await visit.press(WORDS("job.best", step=2))
            assert (await waiting.value).suggested_filename == "apples.best.zip"
            await visit.open(f"/jobs/{job_id}?view=compare")
            which = visit.page.locator("select").last
            await expect(which.locator("option")).to_have_text(
                [WORDS("compare.last"), WORDS("compare.best")]
            )
