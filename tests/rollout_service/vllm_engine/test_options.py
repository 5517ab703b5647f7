"""The service's settings as vLLM's."""

from types import SimpleNamespace
from typing import Any

import pytest

from rollout_service.engine_choice import build_engine
from rollout_service.settings import RolloutSettings, VllmSettings
from tally.families.family import UnsupportedModel

pytest.importorskip("vllm")

from vllm.v1.executor.uniproc_executor import UniProcExecutor

from rollout_service.vllm_engine.options import engine_options, environment
from rollout_service.vllm_engine.scheduler import WholeCompletions


def outline() -> Any:
    text = SimpleNamespace(max_position_embeddings=4096)
    return SimpleNamespace(
        model=SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: text))
    )


def test_options_on_a_gpu():
    vllm = VllmSettings(tensor_parallel_size=2, memory_fraction=0.5)
    options = engine_options(RolloutSettings(vllm=vllm, use_4bit=True), outline(), on_gpu=True)
    assert (options["tensor_parallel_size"], options["gpu_memory_utilization"]) == (2, 0.5)
    assert (options["dtype"], options["quantization"]) == ("bfloat16", "bitsandbytes")
    assert (options["enforce_eager"], options["kv_cache_memory_bytes"]) == (False, None)
    assert options["max_model_len"] == 4096
    assert not {"enable_chunked_prefill", "scheduler_cls"} & set(options)


def test_options_on_a_cpu():
    options = engine_options(RolloutSettings(), outline(), on_gpu=False)
    assert (options["dtype"], options["enforce_eager"]) == ("float32", True)
    assert options["kv_cache_memory_bytes"] == 1024**3
    assert options["enable_chunked_prefill"] is False
    assert options["max_loras"] == RolloutSettings().max_resident_adapters
    assert options["distributed_executor_backend"] is UniProcExecutor
    assert options["scheduler_cls"] is WholeCompletions


def test_weights_are_safetensors_and_no_code_comes_with_them():
    options = engine_options(RolloutSettings(), outline(), on_gpu=False)
    assert (options["load_format"], options["trust_remote_code"]) == ("safetensors", False)


def test_weights_that_are_a_pickle_are_refused_before_vllm_starts(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UnsupportedModel, match="are a pickle"):
        build_engine(RolloutSettings(model=str(tmp_path), engine="vllm"))


def test_a_model_over_several_processes_of_a_cpu():
    settings = RolloutSettings(vllm=VllmSettings(tensor_parallel_size=2))
    options = engine_options(settings, outline(), on_gpu=False)
    assert options["distributed_executor_backend"] == "mp"


@pytest.mark.parametrize(
    ("settings", "on_gpu"),
    [({"use_4bit": True}, False), ({"device": "cuda"}, False), ({"device": "cpu"}, True)],
)
def test_what_this_vllm_cannot_do_is_named(settings, on_gpu):
    with pytest.raises(ValueError, match=next(iter(settings))):
        engine_options(RolloutSettings(**settings), outline(), on_gpu=on_gpu)


def test_an_operator_s_variables_take_precedence():
    assert environment(RolloutSettings(), {})["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
    chosen = environment(RolloutSettings(torch_threads=3), {"VLLM_LOGGING_LEVEL": "DEBUG"})
    assert "VLLM_LOGGING_LEVEL" not in chosen
    assert chosen["OMP_NUM_THREADS"] == "3"
