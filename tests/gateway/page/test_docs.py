"""/docs: what Swagger UI loads comes out of an installed package, through the gateway."""

import pytest


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
