"""/docs in a real browser: the whole API, from this host alone."""

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.fakes.learner import FakeLearner
from tests.gateway.conftest import Gateway
from tests.ui.scripted import running_gateway


async def test_it_shows_every_route_and_asks_no_other_host(browser: Browser, tmp_path: Path):
    async with running_gateway(tmp_path / "data", FakeLearner()) as gateway:
        await visit_docs(browser, gateway)


async def visit_docs(browser: Browser, gateway: Gateway) -> None:
    schema = (await gateway.client.get("/openapi.json")).json()
    number = sum(len(methods) for methods in schema["paths"].values())
    asked, said = [], []
    page = await browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    await page.goto(f"http://127.0.0.1:{gateway.port}/docs")
    await expect(page.locator(".opblock")).to_have_count(number, timeout=60_000)
    here = f"http://127.0.0.1:{gateway.port}/"
    assert all(url.startswith((here, "data:")) for url in asked), asked
    assert not [text for text in said if "Content Security Policy" in text], said
