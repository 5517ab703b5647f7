"""HTTP itself: sizes, speeds, broken bodies."""

import asyncio
import contextlib

import httpx
import pytest

from gateway.http.bodies import BodyLimits
from tests.gateway.packing import good_zip
from tests.gateway.raw_http import form, send_raw
from tests.waiting import eventually


async def nothing_is_left(gateway) -> bool:
    await eventually(lambda: not gateway.staged())
    return (await gateway.client.get("/files")).json() == []


async def test_an_upload_aborted_anywhere_leaves_no_trace(gateway):
    head, body = form(good_zip())
    for tenth in range(10):
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(head + body[: len(body) * tenth // 10])
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()
    assert await nothing_is_left(gateway)
    assert b"200 OK" in await send_raw(gateway.port, head + body)


async def test_fifty_equal_uploads_are_one_dataset(gateway):
    data = good_zip()
    responses = await asyncio.gather(*[gateway.upload(data) for _ in range(50)])
    assert {response.status_code for response in responses} == {200}
    assert len({response.json()["file_id"] for response in responses}) == 50
    assert len(list((gateway.settings.data_dir / "datasets").iterdir())) == 1
    assert gateway.staged() == []


@pytest.mark.parametrize(
    "head",
    [
        b'name="other"',
        b'name="other"; filename="a.zip"',
        b'filename="a.zip"',
        b'name="encoding"',
    ],
)
async def test_a_form_without_a_file_is_refused(gateway, head):
    answer = await send_raw(gateway.port, b"".join(form(b"big5", head)))
    assert b"422" in answer.splitlines()[0]
    assert await nothing_is_left(gateway)


@pytest.mark.parametrize("kind", ["application/zip", "multipart/form-data", "text/plain", ""])
async def test_a_body_that_is_no_form_is_refused(gateway, kind):
    headers = {"Content-Type": kind}
    response = await gateway.client.post("/upload-data", content=good_zip(), headers=headers)
    assert response.status_code == 422
    assert response.json()["errors"][0]["where"] == "file"


async def test_a_form_cut_short_is_refused(gateway):
    _, body = form(good_zip())
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    for cut in (body[:-6], body[:30], b"--b--\r\n", b"nonsense"):
        response = await gateway.client.post("/upload-data", content=cut, headers=headers)
        assert response.status_code == 422, response.text
        assert response.json()["errors"][0]["where"] in ("body", "file")
    assert await nothing_is_left(gateway)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("../../etc/x.zip", "x.zip"), ("資料.zip", "資料.zip"), ("a<b>\x01.zip", "a_b__.zip")],
)
async def test_a_file_name_is_cleaned(gateway, given, kept):
    head, body = form(good_zip(), f'name="file"; filename="{given}"'.encode())
    assert b"200 OK" in await send_raw(gateway.port, head + body)
    assert (await gateway.client.get("/files")).json()[0]["filename"] == kept


async def test_a_large_json_body_is_too_large(gateway):
    response = await gateway.client.post("/train", content=bytes(20 * 1024**2))
    assert response.status_code == 413


async def test_a_large_body_of_unknown_length_is_too_large(gateway):
    async def blocks():
        for _ in range(40):
            yield bytes(100_000)

    response = await gateway.client.post("/train", content=blocks())
    assert response.status_code == 413


async def test_a_large_upload_is_too_large(start_gateway, settings):
    small = settings.model_copy(update={"max_upload_bytes": 50_000})
    async with start_gateway(small) as gateway:
        for size in (60_000, 1_000_000):
            response = await gateway.upload(bytes(size))
            assert response.status_code == 413, response.text
        assert await nothing_is_left(gateway)


async def test_slow_headers_are_cut_off(start_gateway, settings):
    hasty = settings.model_copy(update={"header_seconds": 0.2})
    async with start_gateway(hasty) as gateway:
        assert await send_raw(gateway.port, b"GET / HTTP/1.1\r\nHost:") == b""
        assert await send_raw(gateway.port, b"") == b""
        assert (await gateway.client.get("/")).status_code == 200


async def test_a_slow_body_is_cut_off(start_gateway, settings):
    hasty = settings.model_copy(update={"body_grace_seconds": 0.2})
    async with start_gateway(hasty) as gateway:
        head, body = form(good_zip())
        assert b"408" in (await send_raw(gateway.port, head + body[:100])).splitlines()[0]
        assert await nothing_is_left(gateway)
        json_head = b"POST /train HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"
        assert b"408" in (await send_raw(gateway.port, json_head)).splitlines()[0]


async def test_a_busy_server_is_no_slow_client(settings):
    async def busy(scope, receive, send):
        for _ in range(3):
            await receive()
            await asyncio.sleep(0.2)

    async def prompt():
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": True}

    hasty = settings.model_copy(update={"body_grace_seconds": 0.1})
    await BodyLimits(busy, hasty)({"type": "http", "path": "/train", "headers": []}, prompt, None)


async def test_a_long_address_is_refused(gateway):
    answer = await send_raw(gateway.port, b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n")
    assert b" 4" in answer.splitlines()[0]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/x", 404), ("PUT", "/jobs", 405)])
async def test_what_is_not_there_has_the_shape_of_an_error(gateway, method, path, status):
    response = await gateway.client.request(method, path)
    assert response.status_code == status
    assert set(response.json()) == {"detail", "code", "parameters", "errors"}


async def test_a_reward_service_that_is_away_is_a_503_without_its_address(start_gateway, settings):
    lost = settings.reward.model_copy(update={"target": "127.0.0.1:9"})
    async with start_gateway(settings.model_copy(update={"reward": lost})) as gateway:
        response = await gateway.upload(good_zip())
        assert response.status_code == 503
        assert "127.0.0.1" not in response.text
        assert "its id in the log is" in response.json()["detail"]
        assert await nothing_is_left(gateway)


async def test_an_unforeseen_error_is_a_500_with_an_id(gateway, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(type(gateway.services.jobs), "newest_first", broken)
    response = await gateway.client.get("/jobs")
    assert response.status_code == 500
    assert "/secret/path" not in response.text
    assert response.json()["detail"].rsplit(" ", 1)[1] in caplog.text


async def test_a_full_disk_is_a_507(gateway, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "/secret/path")

    monkeypatch.setattr("gateway.uploads.uploads.keep", full)
    response = await gateway.upload(good_zip())
    assert response.status_code == 507
    assert "/secret" not in response.text
    assert await nothing_is_left(gateway)


async def test_requests_go_on_while_many_connections_idle(gateway):
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            stack.callback(writer.close)
        assert isinstance(await gateway.client.get("/healthz"), httpx.Response)
