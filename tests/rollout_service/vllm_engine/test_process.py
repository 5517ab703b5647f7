"""The vLLM engine as a process: when its own process dies, health says so and it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tally.rollout.v1 import rollout_pb2, rollout_pb2_grpc
from tally.samples.small_policy import POLICY_PATH
from tests.rollout_service.test_process import _environment

pytest.importorskip("vllm")
from tests.waiting import PATIENCE_SECONDS

_SERVING = health_pb2.HealthCheckResponse.SERVING


@contextmanager
def vllm_service(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The process and its port; it and what it started are killed at the end."""
    log = folder / "log"
    command = [sys.executable, "-m", "rollout_service", "--server.port", "0", "--engine", "vllm"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--model", str(POLICY_PATH), "--cache-dir", str(folder / "blobs")],
            stdout=output,
            stderr=output,
            env=_environment(),
            start_new_session=True,
        )
    try:
        while not (match := re.search(r"listening on .*:(\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield process, int(match[1])
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def engine_process(parent: int) -> int:
    """The id of vLLM's engine, which is a child of the service."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        command = (stat.parent / "cmdline").read_bytes()
        if int(fields[1]) == parent and (b"EngineCore" in command or b"spawn_main" in command):
            return int(stat.parent.name)
    raise AssertionError("vLLM has no process")


def test_a_dead_engine_ends_the_service(tmp_path):
    with (
        vllm_service(tmp_path) as (process, port),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        watching = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=PATIENCE_SECONDS, wait_for_ready=True
        )
        while next(watching).status != _SERVING:
            pass
        stub = rollout_pb2_grpc.RolloutServiceStub(channel)
        assert (
            stub.GetModel(rollout_pb2.GetModelRequest(), timeout=PATIENCE_SECONDS).engine == "vllm"
        )
        os.kill(engine_process(process.pid), signal.SIGKILL)
        assert next(watching).status != _SERVING
        assert process.wait(timeout=PATIENCE_SECONDS) not in (0, None)
