"""`python -m tests.ui.screenshots`: the pictures of docs/images/, from a real job."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser

from tally.samples.dataset import write_sample_data
from tests.stack import ROOT, running_stack
from tests.ui.journey import start, until_step, upload
from tests.ui.visitor import PHONE, Visitor, chromium, visitor
from tests.ui.words import Words

FOLDER = ROOT / "docs" / "images"
SETTINGS = {
    "training_config.num_epochs": 5,
    "training_config.batch_size": 4,
    "training_config.num_generations": 8,
    "training_config.save_steps": 20,
    "training_config.max_steps": 90,
}
COLOURS = 256


async def main(data_dir: Path, url: str) -> None:
    data = data_dir / "samples"
    write_sample_data(data, training=160, held_out=108, seed=3)
    async with chromium() as browser:
        async with visitor(browser, url) as visit:
            held_out = await upload(visit, data / "held_out.zip")
            file_id = await upload(visit, data / "training_data.zip")
            job_id = await start(visit, Words("en"), file_id, held_out, SETTINGS)
            await until_step(visit, 45)
            await take(visit, "page-curves")
            await take(visit, "page-samples", f"/jobs/{job_id}?view=samples")
            await take(visit, "page-jobs", "/jobs")
            await visit.open(f"/jobs/{job_id}?view=compare")
            await visit.page.locator(".matrix").first.wait_for(timeout=300_000)
        await pictures(browser, url, job_id, file_id)


async def pictures(browser: Browser, url: str, job_id: str, file_id: str) -> None:
    async with visitor(browser, url) as visit:
        await take(visit, "page-home", "/")
        await take(visit, "page-data", f"/data/{file_id}")
        await take(visit, "page-train", f"/train?data_file_id={file_id}&preset=quick")
        await take(visit, "page-compare", f"/jobs/{job_id}?view=compare")
        await visit.page.locator(".matrix").first.scroll_into_view_if_needed()
        await visit.page.mouse.wheel(0, 120)
        await take(visit, "page-compare-matrix")
        await tried(visit, "page-try", job_id)
    async with visitor(browser, url, language="zh-TW", dark=True) as visit:
        await take(visit, "page-curves-zh-dark", f"/jobs/{job_id}?smooth=true")
    async with visitor(browser, url, size=PHONE, language="zh-TW") as visit:
        await take(visit, "phone-samples-zh", f"/jobs/{job_id}?view=samples")
    async with visitor(browser, url, size=PHONE) as visit:
        await take(visit, "phone-curves", f"/jobs/{job_id}?smooth=true")
        await take(visit, "phone-compare", f"/jobs/{job_id}?view=compare")


async def tried(visit: Visitor, name: str, job_id: str) -> None:
    await visit.open(f"/jobs/{job_id}?view=compare")
    await visit.page.locator(".card a").first.click()
    await visit.page.locator("main form img").wait_for()
    await visit.page.locator("main form .button.main").click()
    await visit.page.locator(".sides strong").nth(1).wait_for()
    await take(visit, name)


async def take(visit: Visitor, name: str, place: str | None = None) -> None:
    """Writes one PNG of few colours, so that the repository stays small."""
    if place is not None:
        await visit.open(place)
    await visit.page.wait_for_timeout(1500)  # lines are drawn, pictures have come
    path = FOLDER / f"{name}.png"
    await visit.page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="tally-screenshots-"))
    try:
        with running_stack(folder, "--no-use-4bit") as stack:
            asyncio.run(main(folder, stack.url))
    finally:
        shutil.rmtree(folder)
