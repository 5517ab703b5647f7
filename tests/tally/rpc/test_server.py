"""A real server and a real channel: health, errors, deadlines, balancing, retries, TLS."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.rpc.channel import open_channel
from tally.rpc.errors import (
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
    code_of,
    translate_errors,
)
from tally.rpc.server import RpcServer, serve
from tally.rpc.settings import ClientSettings, ServerSettings, TlsSettings
from tests.fakes.name_server import running_name_server
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
NAME = "tally.blob.v1.BlobService"
STAT = f"{NAME}/Stat"


class NoSuchShelf(NotFound):
    pass


class Blobs(blob_pb2_grpc.BlobServiceServicer):
    """Fails as the digest says; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.streams = 0

    async def Stat(self, request, context):
        self.calls += 1
        match request.digest:
            case digest if digest.startswith("named"):
                raise NotFound(f"no {digest}")
            case "no shelf":
                raise NoSuchShelf("there are three")
            case "missing":
                raise NotFound("no such blob")
            case "bug":
                raise ZeroDivisionError("a secret path: /etc")
            case "slow":
                await asyncio.sleep(60)
            case "a second":
                await asyncio.sleep(1)
            case "away once" if self.calls == 1:
                raise Unavailable("not yet")
        return blob_pb2.StatResponse(exists=True)

    async def Fetch(self, request, context):
        if request.digest == "slow":
            await asyncio.sleep(60)
        yield blob_pb2.FetchResponse(total_size_bytes=1)
        if request.digest == "endless":
            self.streams += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.streams -= 1
        raise NotFound("gone in the middle")


@asynccontextmanager
async def running(blobs: Blobs, **settings: object) -> AsyncIterator[RpcServer]:
    server = RpcServer(
        ServerSettings(**settings),
        service_names=[NAME],
        register=lambda s: blob_pb2_grpc.add_BlobServiceServicer_to_server(blobs, s),
    )
    await server.start()
    await server.set_serving(True)
    try:
        yield server
    finally:
        await server.stop(0)


def channel_to(*servers: RpcServer, **settings: object) -> grpc.aio.Channel:
    target = "ipv4:" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
    client = ClientSettings(target=target, **settings)
    return open_channel(client, idempotent_methods=[STAT], health_checked=True)


def plain_channel_to(server: RpcServer) -> grpc.aio.Channel:
    client = ClientSettings(target=f"127.0.0.1:{server.port}")
    return open_channel(client, idempotent_methods=())


async def stat(channel: grpc.aio.Channel, digest: str = "") -> blob_pb2.StatResponse:
    async with translate_errors():
        return await blob_pb2_grpc.BlobServiceStub(channel).Stat(
            blob_pb2.StatRequest(digest=digest)
        )


async def test_a_domain_error_arrives_as_itself():
    async with running(Blobs()) as server, channel_to(server) as channel:
        with pytest.raises(NotFound, match="no such blob"):
            await stat(channel, "missing")


async def test_a_services_own_error_arrives_with_its_name_as_a_code():
    async with running(Blobs()) as server, channel_to(server) as channel:
        with pytest.raises(NotFound, match="there are three") as caught:
            await stat(channel, "no shelf")
    assert code_of(caught.value) == "no_such_shelf"


async def test_an_unforeseen_error_shows_an_id_and_nothing_else(caplog: pytest.LogCaptureFixture):
    async with running(Blobs()) as server, channel_to(server) as channel:
        with pytest.raises(Exception, match="internal error; its id in the log is") as caught:
            await stat(channel, "bug")
    error_id = str(caught.value).split()[-1]
    assert "secret" not in str(caught.value)
    assert error_id in caplog.text


async def test_what_a_stranger_named_arrives_as_text_and_cut():
    async with running(Blobs()) as server, channel_to(server) as channel:
        with pytest.raises(NotFound) as caught:
            await stat(channel, "named \x1b[31m\u202e\n" + "數" * 5000)
    assert str(caught.value).startswith(r"no named \u001b[31m\u202e\n數")
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"])
async def test_bytes_that_are_no_message_are_an_invalid_argument(data: bytes):
    async with running(Blobs()) as server, plain_channel_to(server) as channel:
        with pytest.raises(InvalidArgument, match="the message is none of this method's"):
            async with translate_errors():
                await channel.unary_unary(f"/{STAT}")(data)


async def test_an_error_in_the_middle_of_a_stream_arrives():
    async with running(Blobs()) as server, channel_to(server) as channel:
        call = blob_pb2_grpc.BlobServiceStub(channel).Fetch(blob_pb2.FetchRequest())
        assert (await call.read()).total_size_bytes == 1
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_call_without_a_deadline_gets_the_channels():
    async with running(Blobs()) as server, channel_to(server, timeout_seconds=0.2) as channel:
        with pytest.raises(Exception, match="Deadline"):
            await stat(channel, "slow")


async def test_a_stream_without_a_deadline_gets_the_channels_too():
    async with running(Blobs()) as server, channel_to(server, timeout_seconds=0.2) as channel:
        call = blob_pb2_grpc.BlobServiceStub(channel).Fetch(blob_pb2.FetchRequest(digest="slow"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


VANISHING = """
import sys, grpc
from tally.blob.v1 import blob_pb2, blob_pb2_grpc
stub = blob_pb2_grpc.BlobServiceStub(grpc.insecure_channel(sys.argv[1]))
calls = [stub.Fetch(blob_pb2.FetchRequest(digest="endless")) for _ in range(20)]
for call in calls:
    for _ in call:
        pass
"""


@pytest.mark.parametrize("end", [signal.SIGSTOP, signal.SIGKILL])
async def test_the_streams_of_a_caller_that_vanishes_are_let_go_of(end: signal.Signals):
    blobs = Blobs()
    async with running(blobs, keepalive_seconds=1) as server:
        command = [sys.executable, "-c", VANISHING, f"127.0.0.1:{server.port}"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        caller = await asyncio.create_subprocess_exec(*command, env=environment)
        try:
            await eventually(lambda: blobs.streams == 20)
            caller.send_signal(end)
            await eventually(lambda: blobs.streams == 0)
        finally:
            if caller.returncode is None:
                caller.kill()
            await caller.wait()


async def test_an_idempotent_call_is_tried_again():
    blobs = Blobs()
    async with running(blobs) as server, channel_to(server) as channel:
        assert (await stat(channel, "away once")).exists
    assert blobs.calls == 2


async def test_calls_are_spread_over_every_address():
    first, second = Blobs(), Blobs()
    async with running(first) as one, running(second) as two, channel_to(one, two) as channel:
        while not (first.calls and second.calls):
            await stat(channel)
        before = first.calls, second.calls
        for _ in range(10):
            await stat(channel)
    assert (first.calls - before[0], second.calls - before[1]) == (5, 5)


async def test_an_address_that_does_not_serve_gets_no_calls():
    first, second = Blobs(), Blobs()
    async with running(first) as one, running(second) as two, channel_to(one, two) as channel:
        await one.set_serving(False)
        for _ in range(10):
            await stat(channel)
    assert (first.calls, second.calls) == (0, 10)


async def test_a_replica_that_joins_behind_a_dns_name_is_found_though_nothing_failed():
    first, second = Blobs(), Blobs()
    joined = {"connection_age_seconds": 0.5}
    async with (
        running(first, **joined) as one,
        running(second, host="127.0.0.2", port=one.port),
        running_name_server(["127.0.0.1"]) as (names, authority),
    ):
        settings = ClientSettings(target=f"dns://{authority}/replicas.test:{one.port}")
        async with open_channel(
            settings, idempotent_methods=[STAT], health_checked=True
        ) as channel:
            await stat(channel)
            names.addresses = ["127.0.0.1", "127.0.0.2"]
            while not second.calls:
                await stat(channel)
                await asyncio.sleep(0.05)
    assert first.calls


async def test_a_call_in_progress_outlives_the_age_of_its_connection():
    blobs = Blobs()
    async with running(blobs, connection_age_seconds=0.2) as server, channel_to(server) as channel:
        assert (await stat(channel, "a second")).exists
    assert blobs.calls == 1


async def test_an_oversized_message_is_refused():
    async with running(Blobs(), max_message_bytes=1024) as server, channel_to(server) as channel:
        with pytest.raises(ResourceExhausted):
            await stat(channel, "x" * 5000)


async def test_health_is_not_serving_until_told_and_reflection_lists_the_service():
    async with running(Blobs()) as server, plain_channel_to(server) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        await server.set_serving(False)
        response = await health.Check(health_pb2.HealthCheckRequest(service=NAME))
        assert response.status == health_pb2.HealthCheckResponse.NOT_SERVING
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        responses = [r async for r in reflection.ServerReflectionInfo(iter([request]))]
        names = {s.name for s in responses[0].list_services_response.service}
        assert {NAME, "grpc.health.v1.Health"} <= names


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities, each with a certificate for localhost."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ours", "theirs"):
        key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
        subprocess.run(
            f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
            f" -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
            f" -keyout {key} -out {certificate}".split(),
            check=True,
            capture_output=True,
        )
    return folder


def tls(folder: Path, name: str, authority: str) -> TlsSettings:
    return TlsSettings(
        certificate_path=folder / f"{name}.pem",
        private_key_path=folder / f"{name}.key",
        authority_path=folder / f"{authority}.pem",
    )


async def test_mutual_tls_lets_our_certificate_in_and_refuses_another(certificates: Path):
    async with running(Blobs(), tls=tls(certificates, "ours", "ours")) as server:
        async with channel_to(server, tls=tls(certificates, "ours", "ours")) as channel:
            assert (await stat(channel)).exists
        stranger = tls(certificates, "theirs", "ours")
        async with channel_to(server, tls=stranger, timeout_seconds=3) as channel:
            with pytest.raises((Unavailable, DeadlineExceeded)):
                await stat(channel)


def test_half_a_tls_setting_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="together"):
        TlsSettings(certificate_path=tmp_path / "only.pem")


async def test_what_watching_raises_ends_the_server_after_it_served():
    server = RpcServer(ServerSettings(), service_names=[NAME], register=lambda _: None)
    broken = asyncio.Event()
    seen = []

    async def watch() -> None:
        await broken.wait()
        raise Unavailable("broken")

    async def status() -> int:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            request = health_pb2.HealthCheckRequest()
            answer = await health_pb2_grpc.HealthStub(channel).Check(request, wait_for_ready=True)
            return answer.status

    async def drain() -> None:
        seen.append(await status())

    serving = asyncio.create_task(serve(server, ServerSettings(), watch=watch, drain=drain))
    while await status() != health_pb2.HealthCheckResponse.SERVING:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    broken.set()
    with pytest.raises(Unavailable, match="broken"):
        await serving
    assert seen == [health_pb2.HealthCheckResponse.NOT_SERVING]
