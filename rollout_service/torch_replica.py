"""The torch engine as a replica has it: over a model of its own."""

import torch

from rollout_service.model import load_model
from rollout_service.settings import RolloutSettings
from tally.torch_engine.engine import EngineParts, TorchEngine
from tally.torch_engine.limits import EngineLimits
from tally.torch_engine.vision_features import VisionCache


def torch_engine(settings: RolloutSettings) -> TorchEngine:
    """Not loaded yet."""
    limits = EngineLimits(
        max_batch_completions=settings.max_batch_completions,
        max_sequence_tokens=settings.max_sequence_tokens,
        max_resident_adapters=settings.max_resident_adapters,
        max_lora_rank=settings.max_lora_rank,
    )
    return TorchEngine(lambda: _load(settings), limits)


def _load(settings: RolloutSettings) -> EngineParts:
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    loaded = load_model(settings)
    return EngineParts(loaded=loaded, vision=VisionCache(loaded, settings.vision_cache_bytes))
