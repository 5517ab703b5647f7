"""What a visitor sees when something is wrong, away, guarded or hostile."""

import csv
import io
from functools import partial
from pathlib import Path

from playwright.async_api import Browser, expect
from pydantic import SecretStr

from gateway.page import page_route
from gateway.page.assets import load_assets
from tests.fakes.learner import FakeLearner
from tests.stack import Stack
from tests.ui.journey import SETTINGS, cancel, start, steps_shown, until_step, upload
from tests.ui.rewritten import rewritten
from tests.ui.scripted import running_gateway, scripted_job
from tests.ui.visitor import PHONE, visitor
from tests.ui.words import Words

WORDS = Words("en")
SCRIPT = "<script>document.title = 'taken'</script><img src=x onerror=alert(1)>"


def repacked(source: Path, target: Path, **column: str) -> Path:
    """The same ZIP with a column of its third row changed."""

    def change(table: bytes) -> bytes:
        rows = list(csv.DictReader(io.StringIO(table.decode())))
        rows[1] |= column
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()

    return rewritten(source, target, change)


async def test_faults_are_shown_by_row(browser: Browser, stack: Stack, data: Path, tmp_path: Path):
    bad = repacked(data / "held_out.zip", tmp_path / "bad.zip", images_path="gone.png")
    async with visitor(browser, stack.url) as visit:
        await visit.open("/")
        await visit.drop(bad)
        await expect(visit.page.get_by_role("alert").first).to_contain_text(
            "row 3: images/gone.png is not in the ZIP"
        )


async def test_a_script_in_a_question_is_shown_as_text(
    browser: Browser, stack: Stack, data: Path, tmp_path: Path
):
    hostile = repacked(data / "held_out.zip", tmp_path / "<b>x.zip", question=SCRIPT)
    async with visitor(browser, stack.url) as visit:
        await upload(visit, hostile)
        await expect(visit.by_text(SCRIPT)).to_be_visible()
        assert "taken" not in await visit.page.title()
        assert visit.complaints == []


async def test_settings_of_a_form_outlive_a_reload(browser: Browser, stack: Stack, data: Path):
    async with visitor(browser, stack.url) as visit:
        file_id = await upload(visit, data / "held_out.zip")
        await visit.open(f"/train?data_file_id={file_id}")
        await visit.page.get_by_text(WORDS("preset.quick"), exact=True).click()
        await visit.page.locator('[name="training_config.num_epochs"]').fill("7")
        await visit.page.locator('[name="training_config.seed"]').focus()
        await visit.page.reload()
        epochs = visit.page.locator('[name="training_config.num_epochs"]')
        await expect(epochs).to_have_value("7")
        steps = visit.page.locator('[name="training_config.max_steps"]')
        await expect(steps).to_have_value("40")


async def test_preflight_is_told_before_the_start(browser: Browser, stack: Stack, data: Path):
    async with visitor(browser, stack.url) as visit:
        file_id = await upload(visit, data / "held_out.zip")
        jobs = stack.get("/jobs")
        await visit.open(f"/train?data_file_id={file_id}")
        await visit.fill(SETTINGS | {"prompt.question_template": "{question} Answer briefly."})
        await visit.press(WORDS("train.check"))
        panel = visit.page.locator("section.panel")
        await expect(panel.locator("pre")).to_contain_text(" Answer briefly.<|im_end|>")
        await expect(panel.locator("h2")).to_have_text(WORDS("check.ok"))
        await expect(panel.locator(".histogram li")).to_have_count(9)
        await expect(panel.get_by_text(WORDS("check.base"))).to_be_visible()
        assert len(stack.get("/jobs")) == len(jobs)
        assert visit.complaints == []


async def test_the_language_and_the_theme_are_remembered(browser: Browser, stack: Stack):
    async with visitor(browser, stack.url) as visit:
        await visit.open("/jobs")
        await visit.press("繁體中文")
        await expect(visit.page.locator("h1")).to_have_text(Words("zh-TW")("nav.jobs"))
        await visit.press(Words("zh-TW")("theme"))
        await visit.page.reload()
        await expect(visit.page.locator("h1")).to_have_text(Words("zh-TW")("nav.jobs"))
        await expect(visit.page.locator("html")).to_have_css("color-scheme", "dark")


async def test_faults_are_said_in_the_language_that_was_chosen(
    browser: Browser, stack: Stack, data: Path, tmp_path: Path
):
    bad = repacked(data / "held_out.zip", tmp_path / "bad.zip", images_path="gone.png")
    async with visitor(browser, stack.url) as visit:
        await visit.open("/")
        await visit.press("繁體中文")
        await expect(visit.page.locator("h1")).to_have_text(Words("zh-TW")("home.title"))
        await visit.drop(bad)
        await expect(visit.page.get_by_role("alert").first).to_contain_text(
            "第 3 列：ZIP 裡沒有 images/gone.png"
        )


async def test_the_way_is_open_to_the_keyboard(browser: Browser, stack: Stack):
    async with visitor(browser, stack.url) as visit:
        await visit.open("/")
        await visit.page.keyboard.press("Tab")
        await expect(visit.by_text(WORDS("skip"))).to_be_focused()
        for _ in range(3):
            await visit.page.keyboard.press("Tab")
        await visit.page.keyboard.press("Enter")
        await expect(visit.page.locator("h1")).to_have_text(WORDS("nav.jobs"))


async def test_a_lost_gateway_is_told_and_made_good(browser: Browser, stack: Stack, data: Path):
    async with visitor(browser, stack.url, size=PHONE) as visit:
        held_out_id = await upload(visit, data / "held_out.zip")
        steps = {"training_config.max_steps": 60, "training_config.num_epochs": 100}
        job_id = await start(visit, WORDS, held_out_id, held_out_id, steps)
        await until_step(visit, 2)
        stack.kill("gateway")
        lost = visit.by_text(WORDS("connection.lost"))
        await expect(lost).to_be_visible()
        before = await steps_shown(visit)
        await expect(lost).to_be_hidden()
        await until_step(visit, before + 2)
        job = stack.get(f"/jobs/{job_id}/metrics")
        assert [step["step"] for step in job["steps"]] == list(range(1, len(job["steps"]) + 1))
        await cancel(visit, WORDS)
        await expect(visit.by_text(WORDS("status.cancelled"))).to_be_visible()


async def test_a_token_is_asked_for_and_opens_everything(
    browser: Browser, data: Path, tmp_path: Path
):
    learner = FakeLearner()
    learner.steps, learner.step_seconds = 400, 0.2
    async with (
        running_gateway(tmp_path / "data", learner, token=SecretStr("s3cret")) as gateway,
        visitor(browser, f"http://127.0.0.1:{gateway.port}") as visit,
    ):
        await visit.page.goto(f"{visit.url}/ui")
        for token, answer in {
            "wrong": WORDS("token.refused"),
            "s3cret": WORDS("home.none"),
        }.items():
            await visit.page.locator("dialog input").fill(token)
            await visit.press(WORDS("token.ok"))
            await expect(visit.by_text(answer)).to_be_visible()
        file_id = await upload(visit, data / "held_out.zip")
        await start(visit, WORDS, file_id, file_id)
        await until_step(visit, 3)
        await visit.open(f"/data/{file_id}")
        picture = visit.page.locator(".pictures img").first
        await expect(picture).not_to_have_js_property("naturalWidth", 0)


async def test_a_readers_token_shows_all_and_says_why_it_starts_and_ends_nothing(
    browser: Browser, data: Path, tmp_path: Path
):
    learner = FakeLearner()
    learner.hold.clear()
    async with (
        running_gateway(tmp_path / "data", learner) as gateway,
        visitor(browser, f"http://127.0.0.1:{gateway.port}") as visit,
    ):
        gateway.client.headers.update(await gateway.new_token("alice", "writer"))
        reader = await gateway.new_token("alice-looks", "reader", owner="alice")
        job_id = await gateway.start_job()
        await visit.page.goto(f"{visit.url}/ui#/jobs/{job_id}")
        await visit.page.locator("dialog input").fill(reader["Authorization"].split()[1])
        await visit.press(WORDS("token.ok"))
        why = "Authorization: this token reads only; use one with the role writer"
        await cancel(visit, WORDS)
        await expect(visit.by_text(why)).to_be_visible()
        assert (await gateway.job(job_id))["status"] == "training"
        await visit.open("/")
        await visit.drop(data / "training_data.zip")
        await expect(visit.page.get_by_role("alert")).to_have_text(why)
        learner.hold.set()


async def test_without_the_chart_library_the_page_says_so_and_goes_on(
    browser: Browser, data: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(page_route, "load_assets", partial(load_assets, tmp_path))
    async with (
        scripted_job(tmp_path / "gateway", data / "training_data.zip") as job,
        visitor(browser, job.url) as visit,
    ):
        await visit.open(f"/jobs/{job.job_id}")
        for _ in range(2):
            await until_step(visit, await job.step())
        charts = visit.page.locator(".chart")
        await expect(charts.first).to_contain_text(WORDS("curves.missing"))
        await expect(charts.first.locator("output")).to_have_text("0.50")
        await visit.press(WORDS("view.samples"))
        await expect(visit.page.locator(".answer").first).to_be_visible()
        assert visit.complaints == []
