"""The secret of the services: how it is set, where it never appears, and what a refusal says."""

import logging
from pathlib import Path

import grpc
import pytest

from learner_service.settings import LearnerSettings
from reward_service.settings import RewardSettings
from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.rpc.channel import open_channel
from tally.rpc.errors import Unauthenticated, translate_errors
from tally.rpc.server import RpcServer
from tally.rpc.settings import ClientSettings, ServerSettings

SECRET = "s3cret-" * 6


class Blobs(blob_pb2_grpc.BlobServiceServicer):
    async def Stat(self, request, context):
        return blob_pb2.StatResponse(exists=True)

    async def Put(self, request_iterator, context):
        return blob_pb2.PutResponse(created=True)

    async def Fetch(self, request, context):
        yield blob_pb2.FetchResponse(total_size_bytes=1)


@pytest.fixture
async def server():
    server = RpcServer(
        ServerSettings(),
        service_names=[],
        register=lambda s: blob_pb2_grpc.add_BlobServiceServicer_to_server(Blobs(), s),
        secret=SECRET,
    )
    await server.start()
    yield server
    await server.stop(0)


def channel(server: RpcServer, secret: str | None) -> grpc.aio.Channel:
    settings = ClientSettings(target=f"127.0.0.1:{server.port}")
    return open_channel(settings, idempotent_methods=(), secret=secret)


async def test_a_channel_shows_the_secret_with_calls_of_every_kind(server: RpcServer):
    async def parts():
        yield blob_pb2.PutRequest()

    async with channel(server, SECRET) as ours:
        stub = blob_pb2_grpc.BlobServiceStub(ours)
        assert (await stub.Stat(blob_pb2.StatRequest())).exists
        assert (await stub.Put(parts())).created
        assert [r.total_size_bytes async for r in stub.Fetch(blob_pb2.FetchRequest())] == [1]


@pytest.mark.parametrize("shown", [None, "another-" * 6])
async def test_a_refusal_says_what_to_set_and_is_logged_once(
    server: RpcServer, shown: str | None, caplog: pytest.LogCaptureFixture
):
    async with channel(server, shown) as theirs:
        for _ in range(3):
            with pytest.raises(Unauthenticated, match="set services_secret or"):
                async with translate_errors():
                    await blob_pb2_grpc.BlobServiceStub(theirs).Stat(blob_pb2.StatRequest())
    refusals = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    (refusal,) = refusals
    assert refusal.startswith("1 calls without the secret refused, now of")


def test_the_secret_comes_from_the_environment_or_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert RewardSettings.read([]).secret is None
    monkeypatch.setenv("TALLY_REWARD_SERVICES_SECRET", SECRET)
    assert RewardSettings.read([]).secret == SECRET
    (tmp_path / "secret").write_text(f"{SECRET[::-1]}\n")
    monkeypatch.setenv("TALLY_REWARD_SERVICES_SECRET_PATH", str(tmp_path / "secret"))
    assert RewardSettings.read([]).secret == SECRET[::-1]


@pytest.mark.parametrize("wrong", ["", "short", "x" * 31, "ü" * 40, "x\ny" * 20])
def test_a_secret_that_is_none_is_refused(
    wrong: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("TALLY_REWARD_SERVICES_SECRET", wrong)
    with pytest.raises(SystemExit):
        RewardSettings.read([])
    said = capsys.readouterr().err
    assert "at least 32 printable ASCII characters" in said
    assert not wrong or wrong not in said


def test_a_file_that_is_not_there_is_named_by_its_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        RewardSettings.read(["--services-secret-path", str(tmp_path / "absent")])
    assert "services_secret_path: can't be read" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--services-secret", SECRET], [f"--services-secret={SECRET}"]])
def test_the_command_line_takes_no_secret(option: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        RewardSettings.read(option)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert "--services-secret-path" in said
    assert SECRET not in said


def test_what_is_written_down_of_settings_holds_no_secret():
    settings = LearnerSettings(services_secret=SECRET, _cli_parse_args=[])
    for text in (settings.model_dump_json(), repr(settings), str(settings.model_dump())):
        assert SECRET not in text


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "learner"])
def test_a_server_that_others_reach_needs_a_secret_or_to_be_told_so(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit):
        RewardSettings.read(["--server.host", host])
    assert "server.open_to_anyone" in capsys.readouterr().err
    opened = RewardSettings.read(["--server.host", host, "--server.open-to-anyone", "true"])
    assert opened.secret is None
    monkeypatch.setenv("TALLY_REWARD_SERVICES_SECRET", SECRET)
    assert RewardSettings.read(["--server.host", host]).secret == SECRET


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]", "::1"])
def test_a_server_on_loopback_starts_without(host: str):
    assert RewardSettings.read(["--server.host", host]).server.host == host
