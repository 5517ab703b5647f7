"""Data as it comes, on the page: annotations, Parquet, and every row that was left out."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.annotated_photographs import coco_files, parquet_files, yolo_files
from tests.gateway.packing import pack
from tests.ui.rewritten import rewritten
from tests.ui.scripted import ScriptedJob
from tests.ui.visitor import visitor
from tests.ui.words import Words

WORDS = Words("en")
FORMS = {"COCO": coco_files, "YOLO": yolo_files}


@pytest.mark.parametrize("form", FORMS)
async def test_annotations_are_asked_about_as_one_chooses(
    browser: Browser, job: ScriptedJob, tmp_path: Path, *, form: str
):
    path = tmp_path / f"{form}.zip"
    path.write_bytes(pack(FORMS[form](3)))
    async with visitor(browser, job.url) as visit:
        await visit.open("/")
        await visit.by_text(WORDS("read.title")).click()
        await visit.page.get_by_label(WORDS("read.language")).select_option("zh-TW")
        await visit.page.get_by_label(WORDS("read.zeros")).check()
        await visit.drop(path)
        await visit.page.wait_for_url("**/ui#/data/*")
        truths = visit.page.locator(".truth b")
        await expect(truths).to_have_text(["1", "0", "2", "0", "3", "0"])
        asked = visit.page.locator(".card p:not(.truth)").first
        await expect(asked).to_have_text(re.compile("(圖|這張照片).*person"))
        await expect(visit.page.locator("img").first).not_to_have_js_property("naturalWidth", 0)
        assert visit.complaints == []


async def test_parquet_shows_its_pictures(browser: Browser, job: ScriptedJob, tmp_path: Path):
    path = tmp_path / "people.zip"
    path.write_bytes(pack(parquet_files(3)))
    async with visitor(browser, job.url) as visit:
        await visit.open("/")
        await visit.drop(path)
        await visit.page.wait_for_url("**/ui#/data/*")
        await expect(visit.page.locator(".truth b")).to_have_text(["1", "2", "3"])
        await expect(visit.page.locator("img").first).not_to_have_js_property("naturalWidth", 0)
        assert visit.complaints == []


async def test_every_row_that_was_left_out_is_listed(
    browser: Browser, job: ScriptedJob, tmp_path: Path
):
    gone = [f"gone{i}.png,How many?,A photo of 3 cups\n" for i in range(130)]
    path = rewritten(
        job.dataset, tmp_path / "many.zip", lambda table: table + "".join(gone).encode()
    )
    async with visitor(browser, job.url) as visit:
        await visit.open("/")
        await visit.by_text(WORDS("read.title")).click()
        await visit.page.get_by_label(WORDS("read.skip")).check()
        await visit.drop(path)
        left = visit.page.get_by_role("status").filter(has_text="gone0.png")
        await expect(left.locator("li")).to_have_count(130)
        await expect(left.locator("li").last).to_contain_text("gone129.png")
        await visit.press(WORDS("read.look"))
        await expect(visit.page.locator("h1")).to_have_text("many.zip")
