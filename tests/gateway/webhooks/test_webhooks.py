"""Webhooks: signed, tried again, kept across restarts, and never to where they must not go."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpcore
import pytest
from pydantic import ValidationError

from gateway.settings import GatewaySettings
from gateway.webhooks.destinations import BadDestination, JudgedBackend, check_url, is_public
from gateway.webhooks.webhook_store import WebhookStore
from gateway.webhooks.webhooks import MOST_ATTEMPTS
from tests.waiting import eventually

KEY = b"0123456789abcdef01234567"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@dataclass
class Receiver:
    """A server that answers `answers` one after another, and then 204."""

    answers: list[bytes] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.received.append((headers, body))
        answer = self.answers.pop(0) if self.answers else b"204 No Content\r\n"
        writer.write(b"HTTP/1.1 " + answer + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/tally?a=b"


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[Receiver]:
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", receiver.port)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(Receiver()) as one:
        yield one


@pytest.fixture
def sending(settings) -> GatewaySettings:
    """Webhooks to this machine, and tried again soon."""
    allowed = {"webhooks_to_private_addresses": True, "webhook_retry_seconds": 0.001}
    return settings.model_copy(update={"webhook_secret": _secret(), **allowed})


def _secret():
    return GatewaySettings(_cli_parse_args=[], webhook_secret=SECRET).webhook_secret


def pending(gateway) -> list[str]:
    """Takes those that are due; only where nothing else is to."""
    store = WebhookStore(gateway.services.database)
    return [one.webhook_id for one in store.take(100, 0)]


async def test_the_end_of_a_job_is_told_with_a_signature(start_gateway, sending, receiver):
    async with start_gateway(sending) as gateway:
        job_id = await gateway.start_job(callback_url=receiver.url)
        await eventually(lambda: receiver.received)
    [(headers, body)] = receiver.received
    told = json.loads(body)
    assert told["type"] == "job.ended"
    assert told["data"] == {
        "job_id": job_id, "job_name": "apples", "status": "completed", "error_message": None,
    }  # fmt: skip
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(KEY, signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert headers["webhook-id"] == f"ended_{job_id}"
    assert headers["content-type"] == "application/json"


async def test_a_failure_is_told_too_and_a_comparison_is_not(
    start_gateway, sending, receiver, learner
):
    async with start_gateway(sending) as gateway:
        job_id = await gateway.start_job(callback_url=receiver.url)
        await gateway.until(job_id, "completed")
        file_id = (await gateway.job(job_id))["data_file_id"]
        await gateway.client.post(f"/jobs/{job_id}/evaluate", json={"file_id": file_id})
        learner.fail_with = "out of memory"
        failed = await gateway.start_job(callback_url=receiver.url)
        await eventually(lambda: len(receiver.received) == 2)
        assert await asyncio.to_thread(pending, gateway) == []
    data = [json.loads(body)["data"] for _, body in receiver.received]
    assert [(one["job_id"], one["status"]) for one in data] == [
        (job_id, "completed"), (failed, "failed"),
    ]  # fmt: skip
    assert data[1]["error_message"] == "out of memory"


async def test_what_did_not_arrive_is_sent_again_as_it_was(start_gateway, sending, receiver):
    receiver.answers = [b"500 Oh\r\n", b"302 Found\r\nLocation: /else\r\n", b"nonsense"]
    async with start_gateway(sending) as gateway:
        await gateway.start_job(callback_url=receiver.url)
        await eventually(lambda: len(receiver.received) == 4)
        store = WebhookStore(gateway.services.database)
        await eventually(lambda: not store.take(1, 0))
    assert len({body for _, body in receiver.received}) == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1


async def test_it_outlives_its_gateway_and_a_receiver_that_is_away(
    start_gateway, on_database, sending
):
    away = Receiver()
    async with receiving(away):
        pass
    settings = sending.model_copy(update={"database_url": on_database.database_url})
    slow = settings.model_copy(update={"webhook_retry_seconds": 600.0})
    async with start_gateway(slow) as gateway:
        job_id = await gateway.start_job(callback_url=away.url)
        await gateway.until(job_id, "completed")
    database = gateway.services.database
    async with receiving(away), start_gateway(settings) as again:
        store = WebhookStore(again.services.database)
        assert await asyncio.to_thread(store.put_off, f"ended_{job_id}", 0) is None
        await eventually(lambda: away.received)
    assert database is not again.services.database
    assert json.loads(away.received[0][1])["data"]["job_id"] == job_id


async def test_it_is_given_up_in_the_end(start_gateway, sending, receiver):
    receiver.answers = [b"500 Oh\r\n"] * 100
    tiny = sending.model_copy(update={"webhook_retry_seconds": 1e-6})
    async with start_gateway(tiny) as gateway:
        await gateway.start_job(callback_url=receiver.url)
        await eventually(lambda: len(receiver.received) == MOST_ATTEMPTS)
        store = WebhookStore(gateway.services.database)
        await eventually(lambda: not store.take(1, 0))
    assert len(receiver.received) == MOST_ATTEMPTS


async def test_nothing_is_sent_to_this_machine_unless_it_is_allowed(
    start_gateway, sending, receiver
):
    """By a name that leads there: what names such an address is refused at once."""
    public = {"webhooks_to_private_addresses": False, "webhook_retry_seconds": 1e-6}
    async with start_gateway(sending.model_copy(update=public)) as gateway:
        job_id = await gateway.start_job(callback_url=f"http://localhost:{receiver.port}/")
        await gateway.until(job_id, "completed")
        store = WebhookStore(gateway.services.database)
        await eventually(lambda: not store.take(1, 0))
    assert receiver.connections == 0


async def test_a_deleted_job_tells_nothing(start_gateway, sending):
    slow = sending.model_copy(update={"webhook_retry_seconds": 600.0})
    async with start_gateway(slow) as gateway:
        job_id = await gateway.start_job(callback_url="http://127.0.0.1:9/")
        await gateway.until(job_id, "completed")
        assert (await gateway.client.delete(f"/jobs/{job_id}?purge=true")).status_code == 200
        store = WebhookStore(gateway.services.database)
        await asyncio.to_thread(store.put_off, f"ended_{job_id}", 0)
        assert await asyncio.to_thread(pending, gateway) == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.org/", "callback_no_url"),
        ("example.org", "callback_no_url"),
        ("https:///x", "callback_no_url"),
        ("https://example.org:99999/", "callback_no_url"),
        ("https://example.org/a b", "callback_no_url"),
        ("https://example.org/\r\nX: y", "callback_no_url"),
        ("https://例子.tw/", "callback_no_url"),
        ("https://user:pass@example.org/", "callback_with_user"),
        ("https://example.org/#part", "callback_with_user"),
        ("http://127.0.0.1/", "callback_private"),
        ("http://[::1]:8000/", "callback_private"),
        ("http://[::ffff:10.0.0.1]/", "callback_private"),
        ("http://169.254.169.254/latest/meta-data", "callback_private"),
    ],
)
async def test_a_url_that_nothing_is_sent_to_is_refused(start_gateway, sending, url, code):
    public = sending.model_copy(update={"webhooks_to_private_addresses": False})
    async with start_gateway(public) as gateway:
        file_id = "7d1f0c2e-5a55-4c56-9f4b-1b9d5c1f3a10"
        answer = await gateway.train(file_id, callback_url=url)
    assert answer.status_code == 422
    assert [(one["where"], one["code"]) for one in answer.json()["errors"]] == [
        ("callback_url", code)
    ]


async def test_without_a_secret_there_are_none(gateway):
    answer = await gateway.train("x", callback_url="https://example.org/")
    assert (answer.status_code, answer.json()["code"]) == (422, "webhooks_off")


@pytest.mark.parametrize("secret", ["", "secret", "whsec_", "whsec_MTIz", "whsec_*" + "a" * 40])
def test_a_secret_that_is_none_is_refused(secret):
    with pytest.raises(ValidationError, match="24 to 64 random bytes"):
        GatewaySettings(_cli_parse_args=[], webhook_secret=secret)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1",
        "192.168.1.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%eth0",
        "fc00::1", "ff02::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b:1::1",
    ],
)  # fmt: skip
def test_addresses_that_are_nobodys_on_the_internet(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_addresses(address):
    assert is_public(address)
    check_url(f"https://{f'[{address}]' if ':' in address else address}/", may_be_private=False)


async def test_a_name_with_one_private_address_is_not_connected_to(monkeypatch):
    async def both(*_, **__):
        return [(0, 0, 0, "", ("93.184.216.34", 80)), (0, 0, 0, "", ("10.0.0.1", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    with pytest.raises(BadDestination):
        await JudgedBackend(may_be_private=False).connect_tcp("example.org", 80)


async def test_the_address_that_was_judged_is_the_one_connected_to(monkeypatch):
    asked: list[str] = []

    async def connect(self, host, *_):
        asked.append(host)
        raise httpcore.ConnectError

    async def public(*_, **__):
        return [(0, 0, 0, "", ("93.184.216.34", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", public)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    with pytest.raises(httpcore.ConnectError):
        await JudgedBackend(may_be_private=False).connect_tcp("example.org", 80)
    assert asked == ["93.184.216.34"]
