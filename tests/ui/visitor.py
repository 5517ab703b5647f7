"""A visitor of the page: a real Chromium, and what a hand does in it."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import (
    Browser,
    Locator,
    Page,
    Request,
    ViewportSize,
    async_playwright,
    expect,
)

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)
PATIENCE_MILLISECONDS = 180_000

# A file that comes from outside the page can only be dropped by the page's own events.
_DROP = """(zone, {name, type, content}) => {
  const bytes = Uint8Array.from(atob(content), (mark) => mark.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, {type}));
  for (const kind of ['dragover', 'drop'])
    zone.dispatchEvent(new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true}));
}"""

# Every shift, those just after a press too: what moves under a hand is what this is about.
_SHIFTS = """globalThis.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries())
    shifts.push([value, sources.map(({ node }) => node?.className || node?.textContent)]);
}).observe({ type: 'layout-shift', buffered: true });"""

# What moves for ever, such as a spinner, does not count.
_DRAWN = """async () => {
  const moving = document.getAnimations().filter(({ effect }) =>
    effect.getComputedTiming().iterations !== Infinity);
  await Promise.allSettled(moving.map(({ finished }) => finished));
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  await frame();
}"""


class Requests:
    """Those of a page that are on their way."""

    def __init__(self, page: Page) -> None:
        self._open: set[Request] = set()
        self.none_open = asyncio.Event()
        self.none_open.set()
        page.on("request", self._add)
        page.on("requestfinished", self._remove)
        page.on("requestfailed", self._remove)

    def _add(self, request: Request) -> None:
        self._open.add(request)
        self.none_open.clear()

    def _remove(self, request: Request) -> None:
        self._open.discard(request)
        if not self._open:
            self.none_open.set()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser with a profile of its own, gone after the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visitor:
    """A page of one size and language, and what its console complained of."""

    page: Page
    url: str
    requests: Requests
    complaints: list[str] = field(default_factory=list)

    async def open(self, place: str = "/") -> None:
        await self.page.goto(f"{self.url}/ui#{place}")
        await expect(self.page.locator("h1")).to_be_visible()

    async def settle(self) -> None:
        """Waits until nothing is fetched, moved or drawn any more."""
        while True:
            await self.requests.none_open.wait()
            await self.page.evaluate(_DRAWN)
            if self.requests.none_open.is_set():
                return

    async def shifts(self) -> tuple[float, list]:
        """How far the layout shifted since this was last asked, and what did; 0 is not at all."""
        await self.page.wait_for_timeout(200)  # an observer hears of a frame after it is shown
        found = await self.page.evaluate("shifts.splice(0)")
        return sum(value for value, _ in found), found

    @property
    def place(self) -> str:
        return self.page.url.partition("#")[2]

    def by_text(self, text: str) -> Locator:
        return self.page.get_by_text(text, exact=True)

    async def press(self, name: str) -> None:
        """Presses the button or follows the link of this name."""
        button = self.page.get_by_role("button", name=name, exact=True)
        link = self.page.get_by_role("link", name=name, exact=True)
        await button.or_(link).first.click()

    async def drop(self, path: Path, media_type: str = "application/zip") -> None:
        content = base64.b64encode(path.read_bytes()).decode()
        file = {"name": path.name, "type": media_type, "content": content}
        await self.page.locator(".drop").evaluate(_DROP, file)

    async def fill(self, settings: dict[str, Any]) -> None:
        """Settings of a job by their names, whichever are folded away."""
        await self.page.locator("details").first.wait_for(state="attached")
        opened = "(all) => all.forEach((details) => (details.open = true))"
        await self.page.locator("details").evaluate_all(opened)
        for name, value in settings.items():
            control = self.page.locator(f'[name="{name}"]')
            if isinstance(value, bool):
                await control.set_checked(value)
            else:
                await control.fill(str(value))


@asynccontextmanager
async def visitor(
    browser: Browser,
    url: str,
    *,
    size: ViewportSize = WIDE,
    language: str = "en",
    dark: bool = False,
) -> AsyncIterator[Visitor]:
    context = await browser.new_context(
        viewport=size,
        locale=language,
        color_scheme="dark" if dark else "light",
        has_touch=size == PHONE,
        accept_downloads=True,
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    await context.add_init_script(_SHIFTS)
    page = await context.new_page()
    visit = Visitor(page, url, Requests(page))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("console", lambda message: _note(visit, message))
    try:
        yield visit
    finally:
        await context.close()


def _note(visit: Visitor, message: Any) -> None:
    if message.type in ("error", "warning"):
        visit.complaints.append(message.text)
