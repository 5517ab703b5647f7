"""What a new job is of: rewards that are there, tags, and adapters that were uploaded."""

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.gateway.jobs.test_starting_adapters import adapter_zip
from tests.ui.scripted import ScriptedJob
from tests.ui.test_journey import check_accessibility
from tests.ui.visitor import visitor
from tests.ui.words import Words

WORDS = Words("en")


async def test_each_reward_is_explained_and_weighed(browser: Browser, job: ScriptedJob):
    rewards = (await job.gateway.client.get("/rewards")).json()
    async with visitor(browser, job.url) as visit:
        place = f"/train?data_file_id={job.file_id}&rewards.gone=2"
        await visit.open(place)
        await visit.page.get_by_text(WORDS("train.rewards")).wait_for()
        for reward in rewards:
            weight = visit.page.locator(f'.field:has([name="rewards.{reward["name"]}"])')
            await expect(weight).to_contain_text(reward["description"])
        await visit.fill({"rewards.exact": 0.5})
        await visit.press(WORDS("train.start"))
        await expect(visit.page.get_by_role("alert")).to_contain_text("gone")
        await visit.fill({"rewards.gone": ""})
        await visit.press(WORDS("train.start"))
        await visit.page.wait_for_url("**/ui#/jobs/*")
        path = f"/jobs/{visit.place.rpartition('/')[2]}/settings"
        asked = (await job.gateway.client.get(path)).json()
        assert asked["rewards"] == [{"name": "exact", "weight": 0.5}]


async def test_an_uploaded_adapter_is_begun_with_and_is_no_data(
    browser: Browser, job: ScriptedJob, tmp_path: Path
):
    path = tmp_path / "weights.zip"
    path.write_bytes(adapter_zip(prompt={"question_template": "Count: {question}"}))
    async with visitor(browser, job.url) as visit:
        await visit.open("/")
        await visit.drop(path)
        await expect(visit.by_text(WORDS("adapters.text"))).to_be_visible()
        await visit.settle()
        await check_accessibility(visit, "an adapter")
        await visit.open("/")
        adapters = visit.page.locator("section", has_text=WORDS("home.adapters"))
        await expect(adapters.locator(".row")).to_contain_text(WORDS("adapter"))
        data = visit.page.locator("section", has_text=WORDS("home.files"))
        await expect(data.locator(".row")).to_have_count(1)
        await visit.page.locator(".row", has_text="weights.zip").click()
        await visit.press(WORDS("adapters.train"))
        listed = visit.page.locator("[name=data_file_id] option", has_text="weights.zip")
        await expect(listed).to_have_count(0)
        await visit.page.locator("[name=data_file_id]").select_option(label="training_data.zip")
        await visit.page.locator("[name=job_name]").fill("again")
        await visit.press(WORDS("train.start"))
        await visit.page.wait_for_url("**/ui#/jobs/*")
        begun = await job.gateway.job(visit.place.rpartition("/")[2])
        settings = await job.gateway.client.get(f"/jobs/{begun['job_id']}/settings")
        assert begun["adapter_file_id"]
        assert settings.json()["lora_config"]["r"] == 2
        assert settings.json()["prompt"]["question_template"] == "Count: {question}"
        assert visit.complaints == []


async def test_an_adapter_is_deleted_as_one(browser: Browser, job: ScriptedJob):
    file_id = (await job.gateway.upload(adapter_zip())).json()["file_id"]
    async with visitor(browser, job.url) as visit:
        await visit.open(f"/data/{file_id}")
        await visit.press(WORDS("job.delete"))
        await expect(visit.page.get_by_role("dialog")).to_contain_text(
            WORDS("adapters.delete.text")
        )
        await visit.press(WORDS("adapters.delete.do"))
        await expect(visit.page.locator("h1")).to_have_text(WORDS("home.title"))
        files = (await job.gateway.client.get("/files")).json()
        assert [file["file_id"] for file in files] == [job.file_id]
