"""Every method of every gRPC service, in real processes, refuses a caller without the secret."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tally.blob.v1 import blob_pb2
from tally.cli.stack.stack_secret import read_secret, write_secret
from tally.learner.v1 import host_pb2, learner_pb2
from tally.reward.v1 import reward_pb2
from tally.rollout.v1 import rollout_pb2
from tally.rpc.secret import secret_metadata
from tally.samples.small_policy import POLICY_PATH
from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[1]
SERVICES = ("reward", "rollout", "learner")
METHODS = [
    f"/{service.full_name}/{method.name}"
    for contract in (blob_pb2, host_pb2, learner_pb2, reward_pb2, rollout_pb2)
    for service in contract.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


@contextmanager
def running(service: str, folder: Path) -> Iterator[grpc.Channel]:
    options = {
        "rollout": ["--model", str(POLICY_PATH), "--engine", "transformers"],
        "learner": ["--data-dir", str(folder / "learner")],
    }
    variables = {
        "PYTHONPATH": str(ROOT),
        f"TALLY_{service.upper()}_SERVICES_SECRET_PATH": str(folder / "services-secret"),
    }
    log = folder / f"{service}.log"
    command = [sys.executable, "-m", f"{service}_service", "--server.port", "0"]
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, *options.get(service, [])],
            stderr=file,
            stdout=file,
            env=os.environ | variables,
        )
    try:
        port = wait_until(lambda: re.findall(r"listening on .*:(\d+)", log.read_text()))[0]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        process.kill()
        process.wait()


def listed(channel: grpc.Channel) -> list[str]:
    """Names of the server's services, which reflection tells anyone."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    (response,) = stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE_SECONDS)
    names = [service.name for service in response.list_services_response.service]
    return [name for name in names if not name.startswith("grpc.")]


@dataclass(frozen=True)
class Services:
    """Those that run, by the full name of each service of their servers, and their secret."""

    channels: dict[str, grpc.Channel]
    secret: str

    def status(self, method: str, *shown: tuple[str, str]) -> grpc.StatusCode:
        """Of a call with an empty message, and this metadata."""
        channel = self.channels[method.split("/")[1]]
        call = channel.stream_stream(method)(iter([b""]), metadata=shown, timeout=PATIENCE_SECONDS)
        try:
            next(call)
        except StopIteration:
            return grpc.StatusCode.OK
        except grpc.RpcError as error:
            return error.code()
        call.cancel()
        return grpc.StatusCode.OK


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("services")
    write_secret(folder)
    with ExitStack() as stack:
        channels = {}
        for service in SERVICES:
            channel = stack.enter_context(running(service, folder))
            channels |= dict.fromkeys(listed(channel), channel)
        yield Services(channels, read_secret(folder))


def test_every_contract_is_served(services: Services):
    assert {method.split("/")[1] for method in METHODS} == set(services.channels)


@pytest.mark.parametrize("method", METHODS)
def test_a_call_without_the_secret_is_refused(services: Services, method: str):
    refused = grpc.StatusCode.UNAUTHENTICATED
    right = secret_metadata(services.secret)
    for shown in (
        [],
        [secret_metadata("x" * 64)],
        [secret_metadata(services.secret[:-1])],
        [secret_metadata("")],
        [(right[0], services.secret)],
        [right, right],
    ):
        assert services.status(method, *shown) is refused, shown
    assert services.status(method, right) is not refused


def test_a_method_that_is_not_there_is_refused_alike(services: Services):
    unknown = "/tally.reward.v1.RewardService/Nothing"
    right = secret_metadata(services.secret)
    assert services.status(unknown, right) is grpc.StatusCode.UNIMPLEMENTED
    assert services.status(unknown) is grpc.StatusCode.UNAUTHENTICATED


def test_health_is_told_to_anyone(services: Services):
    for channel in services.channels.values():
        stub = health_pb2_grpc.HealthStub(channel)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS).status


def test_no_process_was_told_the_secret_on_its_command_line(services: Services):
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert services.secret not in lines.stdout
