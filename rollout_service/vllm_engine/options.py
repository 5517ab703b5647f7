"""The service's settings as vLLM's own: engine arguments and environment variables."""

import os
from collections.abc import Mapping
from typing import Any

from vllm.v1.executor.uniproc_executor import UniProcExecutor

from rollout_service.settings import RolloutSettings, VllmSettings
from rollout_service.vllm_engine.scheduler import WholeCompletions
from tally import torch_compat
from tally.sampling.model import LoadedModel

_CPU_KV_CACHE_BYTES = 1024**3
_CPU_BLOCK_TOKENS = 32


def engine_options(
    settings: RolloutSettings, outline: LoadedModel, *, on_gpu: bool
) -> dict[str, Any]:
    """Keyword arguments of vLLM's AsyncEngineArgs. Raises ValueError for what it can't do."""
    _check_device(settings, on_gpu=on_gpu)
    vllm = settings.vllm
    longest = outline.model.config.get_text_config().max_position_embeddings
    max_model_len = min(settings.max_sequence_tokens, longest)
    return {
        "model": settings.model,
        "trust_remote_code": False,
        # In 4 bits another loader reads them, which takes safetensors where there are any.
        "load_format": "auto" if settings.use_4bit else "safetensors",
        "dtype": _dtype_name(settings, on_gpu=on_gpu),
        "quantization": "bitsandbytes" if settings.use_4bit else None,
        "max_model_len": max_model_len,
        "max_num_seqs": settings.max_batch_completions,
        "tensor_parallel_size": vllm.tensor_parallel_size,
        "gpu_memory_utilization": vllm.memory_fraction,
        "kv_cache_memory_bytes": vllm.kv_cache_bytes or (None if on_gpu else _CPU_KV_CACHE_BYTES),
        "mm_processor_cache_gb": vllm.processor_cache_bytes / 1024**3,
        "enforce_eager": not on_gpu if vllm.enforce_eager is None else vllm.enforce_eager,
        "limit_mm_per_prompt": {"image": 1, "video": 0},
        "enable_prefix_caching": True,
        "logprobs_mode": "processed_logprobs",
        "enable_lora": True,
        "max_loras": settings.max_resident_adapters,
        "max_cpu_loras": settings.max_resident_adapters,
        "max_lora_rank": vllm.max_lora_rank,
        "disable_log_stats": True,
        **({} if on_gpu else _cpu_options(vllm, max_model_len)),
    }


def _cpu_options(vllm: VllmSettings, max_model_len: int) -> dict[str, Any]:
    return {
        # A seeded request whose prompt is taken in parts ends vLLM's engine here: vLLM turns the
        # request's generator back then, and a CPU's generator can't be turned.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max_model_len,
        # Only whole blocks of a prompt are shared by a group; vLLM's own choice is 128.
        "block_size": _CPU_BLOCK_TOKENS,
        "scheduler_cls": WholeCompletions,
        # A worker process apart from the engine's would spin while it waits: half of two cores.
        "distributed_executor_backend": UniProcExecutor if vllm.tensor_parallel_size == 1 else "mp",
    }


def environment(settings: RolloutSettings, present: Mapping[str, str]) -> dict[str, str]:
    """Variables for vLLM's processes; those that an operator has set already take precedence."""
    variables = {
        # This process has gRPC's threads already, which a fork would not carry along.
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": settings.log_level.upper(),
    }
    if settings.torch_threads:
        # Otherwise vLLM binds a thread to each core, also where others need one.
        variables["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        variables["OMP_NUM_THREADS"] = str(settings.torch_threads)
    path = [*torch_compat.startup_path(), present.get("PYTHONPATH", "")]
    ours = {"PYTHONPATH": os.pathsep.join(filter(None, path))} if len(path) > 1 else {}
    return {k: v for k, v in variables.items() if k not in present} | ours


def _check_device(settings: RolloutSettings, *, on_gpu: bool) -> None:
    here = "cuda" if on_gpu else "cpu"
    if settings.device not in ("auto", here):
        raise ValueError(f"device: this vLLM runs on {here}, not on {settings.device}")
    if settings.use_4bit and not on_gpu:
        raise ValueError("use_4bit: vLLM quantises on GPUs only; take engine transformers")


def _dtype_name(settings: RolloutSettings, *, on_gpu: bool) -> str:
    if settings.dtype != "auto":
        return settings.dtype
    return "bfloat16" if on_gpu else "float32"
