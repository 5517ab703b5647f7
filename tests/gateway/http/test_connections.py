"""Connections that are held: whatever is done with them, they end, and others are let in."""

import asyncio
import contextlib

import pytest
from pydantic import SecretStr

from tests.gateway.raw_http import send_raw
from tests.waiting import PATIENCE_SECONDS, eventually

GOOD = {"Authorization": "Bearer s3cret"}


@pytest.fixture
def guarded(settings):
    limits = {"token": SecretStr("s3cret"), "unread_body_seconds": 0.2, "max_failed_attempts": 9999}
    return settings.model_copy(update=limits)


def head(request: str, *lines: str) -> bytes:
    return "\r\n".join([f"{request} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


async def drip(port: int, data: bytes) -> bytes:
    """Sends `data`, then a byte now and then, until the server closes; → what it answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = bytearray()
    reading = asyncio.create_task(read_into(answer, reader))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not reading.done():
            await asyncio.wait([reading], timeout=0.05)
            with contextlib.suppress(ConnectionError):
                writer.write(b"x")
                await writer.drain()
    writer.close()
    return bytes(answer)


async def read_into(answer: bytearray, reader: asyncio.StreamReader) -> None:
    """Reads until the end: a connection that is reset keeps what came before."""
    with contextlib.suppress(ConnectionError):
        while block := await reader.read(2**16):
            answer += block


LENGTH = "Content-Length: 100000"
AUTHORIZED = "Authorization: Bearer s3cret"


@pytest.mark.parametrize(
    ("request_line", "lines", "status"),
    [
        ("POST /upload-data", [LENGTH], 401),
        ("GET /jobs", [LENGTH], 401),
        ("POST /nowhere", [LENGTH, AUTHORIZED], 404),
        ("PUT /jobs", [LENGTH, AUTHORIZED], 405),
        ("GET /jobs", [LENGTH, AUTHORIZED], 200),
        ("DELETE /jobs/x", [LENGTH, AUTHORIZED], 404),
        ("GET /ui/", [LENGTH], 200),
        ("POST /train", ["Content-Length: 999999999", AUTHORIZED], 413),
        ("POST /train", [LENGTH, AUTHORIZED, "Sec-Fetch-Site: cross-site"], 403),
    ],
)
async def test_a_body_that_nobody_reads_is_cut_off(
    start_gateway, guarded, request_line, lines, status
):
    async with start_gateway(guarded) as gateway:
        answer = await drip(gateway.port, head(request_line, *lines))
        assert b"%d" % status in answer.splitlines()[0]
        assert b"connection: close" in answer.lower()
        assert (await gateway.client.get("/jobs", headers=GOOD)).status_code == 200


async def test_a_chunked_body_that_nobody_reads_is_cut_off(start_gateway, guarded):
    async with start_gateway(guarded) as gateway:
        data = head("POST /train", "Transfer-Encoding: chunked") + b"fffff\r\n"
        assert b"401" in (await drip(gateway.port, data)).splitlines()[0]


async def test_who_asks_before_sending_is_answered_at_once(start_gateway, guarded):
    patient = guarded.model_copy(update={"unread_body_seconds": PATIENCE_SECONDS})
    async with start_gateway(patient) as gateway:
        asked = head("POST /upload-data", LENGTH, "Expect: 100-continue")
        answer = await send_raw(gateway.port, asked)
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer.lower()


async def test_a_connection_whose_body_was_read_goes_on(start_gateway, guarded):
    async with start_gateway(guarded) as gateway:
        refused = head("POST /train", "Content-Length: 2") + b"{}"
        last = head("GET /jobs", AUTHORIZED, "Connection: close")
        answer = await send_raw(gateway.port, refused + last)
    assert answer.count(b"HTTP/1.1 401") == answer.count(b"HTTP/1.1 200") == 1


async def hold(port: int, number: int, data: bytes, stack: contextlib.AsyncExitStack) -> None:
    """Opens connections that send `data` and stay."""
    for _ in range(number):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        writer.write(data)


@pytest.mark.parametrize("number", [1_500, 2_200])
@pytest.mark.parametrize(
    ("data", "token"),
    [
        (b"", "s3cret"),
        (b"GET / HT", "s3cret"),
        (head("POST /upload-data", LENGTH) + b"x", "s3cret"),
        (head("GET /ui/", LENGTH), "s3cret"),
        (head("POST /nowhere", LENGTH), None),
        (head("POST /train", LENGTH) + b"{", None),
    ],
)
async def test_thousands_without_a_token_shut_nobody_out(
    start_gateway, guarded, data, token, number
):
    waits = dict.fromkeys(("unread_body_seconds", "body_grace_seconds"), PATIENCE_SECONDS)
    patient = guarded.model_copy(update={**waits, "token": token and SecretStr(token)})
    async with start_gateway(patient) as gateway, contextlib.AsyncExitStack() as stack:
        assert gateway.settings.max_requests < 1_500 < gateway.settings.max_connections < 2_200
        await hold(gateway.port, number, data, stack)
        for _ in range(20):
            answer = await gateway.client.get(
                "/jobs", headers={**GOOD, "Connection": "close"}, timeout=PATIENCE_SECONDS
            )
            assert answer.status_code == 200


async def test_who_was_let_in_gives_way_to_nobody(start_gateway, guarded, learner):
    learner.hold.clear()
    few = guarded.model_copy(update={"max_connections": 20})
    async with start_gateway(few) as gateway, contextlib.AsyncExitStack() as stack:
        gateway.client.headers.update(GOOD)
        job_id = await gateway.start_job()
        async with gateway.client.stream("GET", f"/jobs/{job_id}/events") as stream:
            await hold(gateway.port, 200, b"GET / HT", stack)
            assert (await gateway.client.get("/jobs")).status_code == 200
            learner.hold.set()
            text = "".join([part async for part in stream.aiter_text()])
    assert "event: ended" in text


async def test_requests_in_progress_are_bounded(start_gateway, guarded, learner):
    learner.hold.clear()
    few = guarded.model_copy(update={"max_requests": 2})
    async with start_gateway(few) as gateway, contextlib.AsyncExitStack() as stack:
        gateway.client.headers.update(GOOD)
        job_id = await gateway.start_job()
        for _ in range(2):
            stream = gateway.client.stream("GET", f"/jobs/{job_id}/events")
            await stack.enter_async_context(stream)
        busy = await gateway.client.get("/jobs")
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "2")
        assert busy.json()["detail"] == "too many requests are in progress; try again"
        await stack.aclose()
        await eventually(lambda: answers(gateway, 200))


async def answers(gateway, status: int) -> bool:
    return (await gateway.client.get("/jobs")).status_code == status


async def test_requests_of_one_token_are_bounded(start_gateway, settings):
    few = settings.model_copy(update={"max_requests_per_second": 1})
    async with start_gateway(few) as gateway:
        alice, bob = [await gateway.new_token(name, "reader") for name in ("alice", "bob")]
        asked = [gateway.client.get("/jobs", headers=alice) for _ in range(100)]
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {200, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await gateway.client.get("/jobs", headers=bob)).status_code == 200


async def test_who_takes_no_answer_is_cut_off(start_gateway, guarded):
    hasty = guarded.model_copy(update={"send_seconds": 0.2})
    async with start_gateway(hasty) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=2**12)
        with contextlib.suppress(ConnectionError):
            while not writer.transport.is_closing():
                writer.write(head("GET /ui/train.js"))
                await writer.drain()
        assert writer.transport.is_closing()
        del reader


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        head("GET /jobs", "Content-Length: -1"),
        head("GET /jobs", "bad header"),
    ],
)
async def test_what_is_no_request_gets_an_error_of_the_apis_shape(gateway, data):
    answer = await send_raw(gateway.port, data)
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 400 ")
    assert b"nosniff" in top
    assert b"application/json" in top
    assert body.startswith(b'{"detail":')


async def test_a_broken_chunk_after_an_early_answer_ends_the_connection(start_gateway, guarded):
    async with start_gateway(guarded) as gateway:
        broken = head("POST /train", "Transfer-Encoding: chunked") + b"zz\r\n"
        assert await send_raw(gateway.port, broken)
        assert (await gateway.client.get("/jobs", headers=GOOD)).status_code == 200
