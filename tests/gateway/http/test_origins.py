"""Pages of other sites, on the default that needs no token: nothing is read, nothing changes."""

import pytest
from pydantic import SecretStr

from tests.gateway.packing import good_zip
from tests.gateway.raw_http import send_raw

FOREIGN_PAGES = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
]
FOREIGN_NAMES = ["elsewhere.example", "127.0.0.1.elsewhere.example:8000", "a.b.", "1.2.3", "x.org"]
OWN_NAMES = ["localhost:8000", "127.0.0.1", "[::1]:8000", "gateway", "box.local", "a.b.internal:1"]


@pytest.mark.parametrize("headers", FOREIGN_PAGES)
async def test_what_another_sites_page_sends_changes_nothing(gateway, headers):
    files = {"file": ("training_data.zip", good_zip(), "application/zip")}
    upload = await gateway.client.post("/upload-data", files=files, headers=headers)
    training = await gateway.client.post("/train", json={}, headers=headers)
    assert [upload.status_code, training.status_code] == [403, 403]
    assert upload.json()["errors"][0]["where"] == "Origin"
    assert (await gateway.client.get("/files")).json() == []
    assert (await gateway.client.get("/files", headers=headers)).status_code == 200


async def test_its_own_page_may_upload(gateway):
    origin = f"http://127.0.0.1:{gateway.port}"
    files = {"file": ("training_data.zip", good_zip(), "application/zip")}
    for headers in ({"Origin": origin}, {"Sec-Fetch-Site": "same-origin", "Origin": origin}):
        answer = await gateway.client.post("/upload-data", files=files, headers=headers)
        assert answer.status_code == 200


async def ask(gateway, host: str) -> bytes:
    head = f"GET /jobs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    return await send_raw(gateway.port, head.encode())


@pytest.mark.parametrize("host", FOREIGN_NAMES)
async def test_a_name_that_a_stranger_may_own_reads_nothing(gateway, host):
    answer = await ask(gateway, host)
    assert b" 403 " in answer.splitlines()[0]
    assert b"TALLY_GATEWAY_HOST_NAMES" in answer


@pytest.mark.parametrize("host", OWN_NAMES)
async def test_addresses_and_private_names_are_its_own(gateway, host):
    assert b" 200 " in (await ask(gateway, host)).splitlines()[0]


@pytest.mark.parametrize(
    "changed", [{"host_names": ["tally.example.org"]}, {"token": SecretStr("secret")}]
)
async def test_a_public_name_that_is_listed_or_behind_a_token_is_served(
    settings, start_gateway, changed
):
    async with start_gateway(settings.model_copy(update=changed)) as gateway:
        status = (await ask(gateway, "Tally.Example.org:443")).splitlines()[0]
    assert (b" 200 " if "host_names" in changed else b" 401 ") in status


@pytest.mark.parametrize("path", ["/jobs", "/none", "/openapi.json", "/ui/", "/files/x/images/1"])
async def test_every_answer_has_the_headers_that_keep_it_to_itself(gateway, path):
    headers = (await gateway.client.get(path)).headers
    assert headers.get_list("X-Content-Type-Options") == ["nosniff"]
    assert headers.get_list("Cross-Origin-Resource-Policy") == ["same-origin"]
    assert headers.get_list("X-Frame-Options") == ["DENY"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
