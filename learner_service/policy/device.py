"""Where a model is held, and in which precision, as the settings say."""

import torch

from learner_service.settings import LearnerSettings
from tally.weights.base_loading import BaseLoading
from tally.weights.kept_bases import KeptBases, default_folder


def device_name(settings: LearnerSettings) -> str:
    """Of a learner that is to choose: a GPU where there is one."""
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def dtype_of(settings: LearnerSettings) -> torch.dtype:
    if settings.dtype == "auto":
        return torch.bfloat16 if device_name(settings) == "cuda" else torch.float32
    return torch.float32 if settings.dtype == "float32" else torch.bfloat16


def kept_bases(settings: LearnerSettings) -> KeptBases:
    return KeptBases(settings.four_bit_folder or default_folder(), settings.four_bit_folder_bytes)


def base_loading(settings: LearnerSettings, source: str, *, use_4bit: bool) -> BaseLoading:
    """Of the base alone, for who only samples from it."""
    return BaseLoading(
        source=source,
        device=device_name(settings),
        dtype=dtype_of(settings),
        use_4bit=use_4bit,
        kept=kept_bases(settings),
    )
