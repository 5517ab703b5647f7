"""How a replica loads its model."""

import contextlib
from typing import Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
    GenerationConfig,
)

from rollout_service.settings import RolloutSettings
from tally.families.family import Family
from tally.families.registry import read_config
from tally.rpc.names import model_name
from tally.sampling.model import LoadedModel
from tally.weights.base_loading import BaseLoading
from tally.weights.kept_bases import KeptBases, default_folder


def load_model(settings: RolloutSettings) -> LoadedModel:
    """Loads what `settings.model` names; raises UnsupportedModel."""
    _, family = read_config(settings.model)
    device = torch.device(_device_name(settings))
    return _with_belongings(settings, family, _load_weights(settings, family, device), device)


def load_outline(settings: RolloutSettings) -> LoadedModel:
    """As `load_model`, but the weights have shapes only: what an engine's other process serves."""
    config, family = read_config(settings.model)
    device = torch.device("meta")
    with device:
        model = AutoModelForImageTextToText.from_config(config)
    with contextlib.suppress(OSError):  # a model may come without one
        model.generation_config = GenerationConfig.from_pretrained(settings.model)
    return _with_belongings(settings, family, model, device)


def _with_belongings(
    settings: RolloutSettings, family: Family, model: Any, device: torch.device
) -> LoadedModel:
    return LoadedModel.of(
        model_name(settings.model),
        family,
        model,
        tokenizer=AutoTokenizer.from_pretrained(settings.model),
        image_processor=family.load_image_processor(settings.model),
        device=device,
        use_4bit=settings.use_4bit,
    )


def _device_name(settings: RolloutSettings) -> str:
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def _load_weights(settings: RolloutSettings, family: Family, device: torch.device) -> Any:
    kept = KeptBases(settings.four_bit_folder or default_folder(), settings.four_bit_folder_bytes)
    return BaseLoading(
        source=settings.model,
        device=str(device),
        dtype=_dtype(settings, device),
        use_4bit=settings.use_4bit,
        kept=kept,
    ).load(family)


def _dtype(settings: RolloutSettings, device: torch.device) -> torch.dtype:
    if settings.dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.float32 if settings.dtype == "float32" else torch.bfloat16
