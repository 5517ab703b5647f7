"""Which engine samples."""

import pytest

from rollout_service.engine_choice import build_engine
from rollout_service.settings import RolloutSettings
from rollout_service.torch_engine.engine import TorchEngine

pytest.importorskip("vllm")

from rollout_service.vllm_engine.engine import VllmEngine


def test_auto_is_vllm_where_there_is_a_gpu(monkeypatch):
    assert isinstance(build_engine(RolloutSettings()), TorchEngine)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert isinstance(build_engine(RolloutSettings()), VllmEngine)
    assert isinstance(build_engine(RolloutSettings(device="cpu")), TorchEngine)
    assert isinstance(build_engine(RolloutSettings(use_4bit=True)), TorchEngine)
    assert isinstance(build_engine(RolloutSettings(engine="transformers")), TorchEngine)
