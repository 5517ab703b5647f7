"""vLLM's CPU platform with our own LoRA products; vLLM finds it as a plugin, in each process."""

from vllm.platforms import builtin_platform_plugins
from vllm.platforms.cpu import CpuPlatform

_REPLACED = f"{CpuPlatform.__module__}.{CpuPlatform.__name__}"


class GroupedLoraCpuPlatform(CpuPlatform):
    @classmethod
    def get_punica_wrapper(cls) -> str:
        # By name: what it imports of vLLM needs the platform to be known.
        return "rollout_service.vllm_engine.cpu_lora.GroupedLora"


def plugin() -> str | None:
    """The platform's name where vLLM would take its plain one for CPUs, else None."""
    if builtin_platform_plugins["cpu"]() != _REPLACED:
        return None
    return f"{__name__}.{GroupedLoraCpuPlatform.__name__}"
