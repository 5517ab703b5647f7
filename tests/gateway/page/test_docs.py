"""/docs: Swagger UI out of an installed package, in a real browser, from this host alone."""

import pytest
from playwright.async_api import expect

from tests.ui.visitor import chromium


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css", "start.js"])
async def test_what_the_docs_load_is_served_from_here(gateway, name):
    assert f'"docs/{name}"' in (await gateway.client.get("/docs")).text
    answer = await gateway.client.get(f"/docs/{name}")
    assert answer.status_code == 200
    kind = "text/css" if name.endswith("css") else "text/javascript"
    assert answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("name", ["redoc.standalone.js", "..%2fcore.py", "start.js.map"])
async def test_nothing_else_of_the_package_is_served(gateway, name):
    assert (await gateway.client.get(f"/docs/{name}")).status_code == 404


async def test_a_browser_shows_every_route_and_asks_no_other_host(gateway):
    schema = (await gateway.client.get("/openapi.json")).json()
    number = sum(len(methods) for methods in schema["paths"].values())
    asked, said = [], []
    async with chromium() as browser:
        page = await browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        await page.goto(f"http://127.0.0.1:{gateway.port}/docs")
        await expect(page.locator(".opblock")).to_have_count(number, timeout=60_000)
    here = f"http://127.0.0.1:{gateway.port}/"
    assert all(url.startswith((here, "data:")) for url in asked), asked
    assert not [text for text in said if "Content Security Policy" in text], said
