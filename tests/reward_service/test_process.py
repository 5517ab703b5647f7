"""The service as its own process, the way it is deployed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from reward_service.settings import RewardSettings
from tally.reward.v1 import reward_pb2, reward_pb2_grpc
from tally.rpc.settings import ServerSettings
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
SERVICE = "tally.reward.v1.RewardService"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "reward_service", *arguments]


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **variables}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command("--server.port", "0"), env=environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def port_of(process: subprocess.Popen[str]) -> int:
    """The port that the log names, once the process says that it serves."""
    port = 0
    for line in process.stderr:
        if match := re.search(r"listening on .*:(\d+)", line):
            port = int(match[1])
        if line.rstrip().endswith("serving"):
            return port
    raise AssertionError("the process ended before it served")


def test_it_serves_until_sigterm(process: subprocess.Popen[str]):
    with grpc.insecure_channel(f"127.0.0.1:{port_of(process)}") as channel:
        for name in ("", SERVICE):
            request = health_pb2.HealthCheckRequest(service=name)
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=PATIENCE_SECONDS)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert SERVICE in reflected_services(channel)
        request = reward_pb2.ParseRequest(texts=["three"])
        response = reward_pb2_grpc.RewardServiceStub(channel).Parse(
            request, timeout=PATIENCE_SECONDS
        )
        assert response.parsed_counts[0].count == 3
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE_SECONDS) == 0


def reflected_services(channel: grpc.Channel) -> list[str]:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    response = next(iter(stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE_SECONDS)))
    return [service.name for service in response.list_services_response.service]


def test_help_describes_every_field():
    done = run("--help")
    assert done.returncode == 0
    shown = " ".join(done.stdout.split())
    for field in (RewardSettings.model_fields | ServerSettings.model_fields).values():
        assert field.description
        assert field.description in shown


@pytest.mark.parametrize(
    ("arguments", "variables", "complaint"),
    [
        (["--server.port", "99999"], {}, "server.port: "),
        (["--nope"], {}, "unrecognized arguments: --nope"),
        ([], {"TALLY_REWARD_LOG_LEVEL": "loud"}, "log_level: "),
        ([], {"TALLY_REWARD_SERVER": "{"}, 'field "server"'),
        ([], {"TALLY_REWARD_SERVER__PROT": "1"}, "server.prot: "),
    ],
)
def test_a_wrong_setting_is_named(arguments: list[str], variables: dict[str, str], complaint: str):
    done = run(*arguments, **variables)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_the_environment_sets_what_the_command_line_leaves(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TALLY_REWARD_SERVER__HOST", "127.0.0.2")
    monkeypatch.setenv("TALLY_REWARD_LOG_LEVEL", "debug")
    settings = RewardSettings()
    assert (settings.server.host, settings.server.port) == ("127.0.0.2", 50051)
    assert settings.log_level == "debug"
