"""The service as a process: it starts, says so, answers, and ends well."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from rollout_service.settings import RolloutSettings
from tally.rollout.v1 import rollout_pb2, rollout_pb2_grpc
from tests.waiting import PATIENCE_SECONDS

_ROOT = Path(__file__).parents[2]
_SERVING = health_pb2.HealthCheckResponse.SERVING


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(_ROOT), "TALLY_ROLLOUT_TORCH_THREADS": "1"}


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process and its port; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rollout_service", "--server.port", "0", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    try:
        port = next(
            int(match[1])
            for line in process.stderr
            if (match := re.search(r"listening on .*:(\d+)", line))
        )
        yield process, port
    finally:
        process.kill()
        process.communicate()


def until_serving(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service="tally.rollout.v1.RolloutService")
    for answer in health.Watch(request, timeout=PATIENCE_SECONDS, wait_for_ready=True):
        if answer.status == _SERVING:
            return


def test_it_starts_answers_and_ends_on_sigterm(random_policy_path, tmp_path):
    folder = tmp_path / "blobs"
    with (
        started("--model", str(random_policy_path), "--cache-dir", str(folder)) as (process, port),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        until_serving(channel)
        stub = rollout_pb2_grpc.RolloutServiceStub(channel)
        model = stub.GetModel(rollout_pb2.GetModelRequest(), timeout=PATIENCE_SECONDS)
        assert model.base_model == random_policy_path.name
        assert "tally.rollout.v1.RolloutService" in reflected(channel)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0


def reflected(channel: grpc.Channel) -> list[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE_SECONDS)
    return [service.name for service in answer.list_services_response.service]


def test_a_model_that_is_missing_ends_the_process(tmp_path):
    with started("--model", str(tmp_path)) as (process, _):
        process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode not in (0, None)


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rollout_service", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
        timeout=PATIENCE_SECONDS,
    )


def test_help_lists_every_setting():
    process = ended("--help")
    assert process.returncode == 0
    for name in RolloutSettings.model_fields:
        assert f"--{name.replace('_', '-')}" in process.stdout


def test_a_model_of_another_family_is_named_without_a_traceback(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "unheard_of"}')
    process = ended("--model", str(tmp_path), "--server.port", "0")
    assert process.returncode == 1
    assert "type unheard_of is not supported; expected qwen2_5_vl or " in process.stderr
    assert "Traceback" not in process.stderr


def test_weights_that_are_a_pickle_end_it_with_a_sentence(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    process = ended("--model", str(tmp_path), "--server.port", "0")
    assert process.returncode == 1
    assert "are a pickle (pytorch_model.bin), which may run code" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_bad_setting_is_named_without_a_traceback():
    process = ended("--server.port", "99999")
    assert process.returncode == 2
    assert "server.port" in process.stderr
    assert "Traceback" not in process.stderr
