"""The vLLM engine as a process: when its own process dies, health says so and it ends."""

import os
import signal
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from samples.small_policy import POLICY_PATH
from tally.rollout.v1 import rollout_pb2, rollout_pb2_grpc
from tests.rollout.test_process import started, until_serving

pytest.importorskip("vllm")

_SERVING = health_pb2.HealthCheckResponse.SERVING


def engine_process(parent: int) -> int:
    """The id of vLLM's engine among the children of `parent`."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        command = (stat.parent / "cmdline").read_bytes()
        if int(fields[1]) == parent and (b"EngineCore" in command or b"spawn_main" in command):
            return int(stat.parent.name)
    raise AssertionError("vLLM has no process")


def test_a_dead_engine_ends_the_service(tmp_path):
    arguments = ("--model", str(POLICY_PATH), "--engine", "vllm", "--device", "cpu")
    with (
        started(*arguments, "--cache-dir", str(tmp_path), "--log-level", "error") as (
            process,
            port,
        ),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        until_serving(channel)
        stub = rollout_pb2_grpc.RolloutServiceStub(channel)
        assert stub.GetModel(rollout_pb2.GetModelRequest(), timeout=10).engine == "vllm"
        health = health_pb2_grpc.HealthStub(channel)
        statuses = health.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(statuses).status == _SERVING
        os.kill(engine_process(process.pid), signal.SIGKILL)
        assert next(statuses).status != _SERVING
        process.communicate(timeout=60)
        assert process.returncode not in (0, None)
