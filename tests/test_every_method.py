"""Every method of every gRPC service, in real processes, refuses a caller without the secret."""

import subprocess
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tally.blob.v1 import blob_pb2
from tally.learner.v1 import host_pb2, learner_pb2, worker_pb2
from tally.reward.v1 import reward_pb2
from tally.rollout.v1 import rollout_pb2
from tally.rpc.secret import secret_metadata
from tests.real_services import Services, running_services
from tests.waiting import PATIENCE_SECONDS

METHODS = [
    f"/{service.full_name}/{method.name}"
    for contract in (blob_pb2, host_pb2, learner_pb2, reward_pb2, rollout_pb2, worker_pb2)
    for service in contract.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with running_services(tmp_path_factory.mktemp("services")) as services:
        yield services


def status(services: Services, method: str, *shown: tuple[str, str]) -> grpc.StatusCode:
    """Of a call with an empty message, and this metadata."""
    code, _ = services.call(method, [b""], shown)
    return code


def test_every_contract_is_served(services: Services):
    assert {method.split("/")[1] for method in METHODS} == set(services.channels)


@pytest.mark.parametrize("method", METHODS)
def test_a_call_without_the_secret_is_refused(services: Services, method: str):
    refused, right = grpc.StatusCode.UNAUTHENTICATED, services.shown
    for shown in (
        [],
        [secret_metadata("x" * 64)],
        [secret_metadata(services.secret[:-1])],
        [secret_metadata("")],
        [(right[0], services.secret)],
        [right, right],
    ):
        assert status(services, method, *shown) is refused, shown
    assert status(services, method, right) is not refused


def test_a_method_that_is_not_there_is_refused_alike(services: Services):
    unknown = "/tally.reward.v1.RewardService/Nothing"
    assert status(services, unknown, services.shown) is grpc.StatusCode.UNIMPLEMENTED
    assert status(services, unknown) is grpc.StatusCode.UNAUTHENTICATED


def test_health_is_told_to_anyone(services: Services):
    for channel in services.channels.values():
        stub = health_pb2_grpc.HealthStub(channel)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS).status


def test_no_process_was_told_the_secret_on_its_command_line(services: Services):
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert services.secret not in lines.stdout
