"""A whole job through the vLLM engine: upload, train, download."""

import io
import zipfile
from pathlib import Path

import grpc
import pytest
import requests
from peft import PeftModel

from tally.rollout.v1 import rollout_pb2, rollout_pb2_grpc
from tally.samples.small_policy import POLICY_PATH, load_policy
from tests.stack import running_stack

pytest.importorskip("vllm")


def test_a_job_through_vllm(tmp_path: Path, training_zip: Path):
    with running_stack(tmp_path / "stack", "--engine", "vllm") as stack:
        # With a beta nothing is skipped, so the gap is that of every completion.
        settings = {
            "num_epochs": 1,
            "batch_size": 3,
            "gradient_accumulation_steps": 2,
            "beta": 1e-4,
        }
        job_id = stack.train(
            stack.upload(training_zip), **settings, temperature=1.0, use_4bit=False
        )
        assert stack.wait(job_id)["status"] == "completed", stack.logs()
        steps = stack.get(f"/jobs/{job_id}/metrics")["steps"]
        archive = requests.get(f"{stack.url}/jobs/{job_id}/download", timeout=30).content
        with grpc.insecure_channel(stack.target("rollout")) as channel:
            stub = rollout_pb2_grpc.RolloutServiceStub(channel)
            assert stub.GetModel(rollout_pb2.GetModelRequest(), timeout=10).engine == "vllm"
    assert [step["step"] for step in steps] == [1, 2, 3]
    assert max(step["log_probability_gap"] for step in steps) < 1e-3
    zipfile.ZipFile(io.BytesIO(archive)).extractall(tmp_path / "adapter")
    adapted = PeftModel.from_pretrained(load_policy(POLICY_PATH)[0], tmp_path / "adapter")
    assert any(
        parameter.abs().max() > 0
        for name, parameter in adapted.named_parameters()
        if "lora_B" in name
    )
