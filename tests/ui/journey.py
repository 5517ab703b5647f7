"""The way of a visitor from a ZIP to an adapter."""

from pathlib import Path

from playwright.async_api import Download, expect

from tests.ui.visitor import Visitor
from tests.ui.words import Words

# What the small policy needs; steps short enough to see many.
SETTINGS = {
    "training_config.num_epochs": 20,
    "training_config.learning_rate": 1e-3,
    "training_config.batch_size": 2,
    "training_config.gradient_accumulation_steps": 1,
    "training_config.num_generations": 4,
    "training_config.temperature": 1.0,
    "training_config.use_4bit": False,
    "training_config.max_image_size": 112,
    "training_config.max_new_tokens": 12,
    "training_config.save_steps": 2,
    "training_config.max_steps": 16,
    "lora_config.r": 8,
    "lora_config.lora_alpha": 16,
}


async def upload(visit: Visitor, path: Path) -> str:
    """Drops the ZIP on the first page; → its file_id."""
    await visit.open("/")
    await visit.drop(path)
    await visit.page.wait_for_url("**/ui#/data/*")
    await expect(visit.page.locator(".pictures img").first).to_be_visible()
    return visit.place.rpartition("/")[2]


async def start(
    visit: Visitor, words: Words, file_id: str, held_out_id: str, settings: dict | None = None
) -> str:
    """Fills in the form of a new job and starts it; → its job_id."""
    await visit.open(f"/train?data_file_id={file_id}")
    await visit.fill(SETTINGS | (settings or {}))
    await visit.page.locator('[name="evaluation_file_id"]').select_option(held_out_id)
    await visit.press(words("train.start"))
    await visit.page.wait_for_url("**/ui#/jobs/*")
    return visit.place.rpartition("/")[2]


async def steps_shown(visit: Visitor) -> int:
    """Steps that the line under the progress bar tells."""
    text = await visit.page.locator(".job-head > .muted").inner_text()
    digits = "".join(mark if mark.isdigit() else " " for mark in text.replace(",", "")).split()
    return int(digits[0]) if digits else 0


async def until_step(visit: Visitor, step: int) -> None:
    while await steps_shown(visit) < step:
        await visit.page.wait_for_timeout(100)


async def cancel(visit: Visitor, words: Words) -> None:
    """Cancels the job that is shown, and says yes to the question."""
    await visit.press(words("job.cancel"))
    await visit.press(words("job.cancel.do"))


async def download(visit: Visitor, words: Words) -> Download:
    async with visit.page.expect_download() as waiting:
        await visit.press(words("job.download"))
    return await waiting.value
