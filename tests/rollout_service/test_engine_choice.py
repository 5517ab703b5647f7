"""Which engine samples."""

import logging
from pathlib import Path

import pytest
from transformers import AriaConfig

from rollout_service.engine_choice import build_engine
from rollout_service.errors import UnusableEngine
from rollout_service.settings import RolloutSettings
from tally.samples.small_policy import POLICY_PATH
from tally.sampling.engine import Engine
from tally.torch_engine.engine import TorchEngine

pytest.importorskip("vllm")

from rollout_service.vllm_engine.engine import VllmEngine


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)


@pytest.fixture
def aria_path(tmp_path: Path) -> str:
    """A folder that holds nothing but a configuration."""
    config = AriaConfig(text_config={"model_type": "aria_text"}, vision_config={"patch_size": 14})
    config.save_pretrained(tmp_path)
    return str(tmp_path)


def engine_for(**settings: object) -> Engine:
    return build_engine(RolloutSettings(**{"model": str(POLICY_PATH)} | settings))


def test_auto_is_the_torch_engine_without_a_gpu():
    assert isinstance(engine_for(), TorchEngine)


@pytest.mark.usefixtures("gpu")
def test_auto_is_vllm_where_there_is_a_gpu():
    assert isinstance(engine_for(), VllmEngine)
    assert isinstance(engine_for(device="cpu"), TorchEngine)
    assert isinstance(engine_for(use_4bit=True), TorchEngine)
    assert isinstance(engine_for(engine="transformers"), TorchEngine)


@pytest.mark.usefixtures("gpu")
def test_auto_is_the_torch_engine_where_vllm_takes_no_adapter_and_says_so(
    aria_path: str, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO):
        assert isinstance(engine_for(model=aria_path), TorchEngine)
    assert "vLLM takes no LoRA adapter for models of type aria" in caplog.text


def test_vllm_is_refused_where_it_takes_no_adapter(aria_path: str):
    with pytest.raises(
        UnusableEngine, match=r"engine: .* type aria; expected auto or transformers"
    ):
        engine_for(model=aria_path, engine="vllm")
