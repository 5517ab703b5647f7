"""What an engine of the learner's own samples with."""

import torch

from learner_service.inside.features import PolicyFeatures
from learner_service.models import read_supported
from learner_service.policy.device import base_loading
from learner_service.policy.policy import Policy
from learner_service.settings import LearnerSettings
from learner_service.tokenizers import load_tokenizer
from tally.rpc.names import model_name
from tally.sampling.model import LoadedModel
from tally.torch_engine.engine import EngineParts
from tally.torch_engine.vision_features import VisionCache


def policy_parts(policy: Policy, source: str, *, use_4bit: bool) -> EngineParts:
    """The policy's own weights and vision features; `source` is what its base was loaded from."""
    loaded = LoadedModel.of(
        model_name(source),
        policy.family,
        policy.base,
        tokenizer=policy.tokenizer,
        image_processor=policy.image_processor,
        device=policy.device,
        use_4bit=use_4bit,
    )
    return EngineParts(loaded=loaded, vision=PolicyFeatures(policy), is_shared=True)


def base_parts(settings: LearnerSettings, source: str) -> EngineParts:
    """Of a base that nobody trains on; raises UnknownModel."""
    _, family = read_supported(source)
    loading = base_loading(settings, source, use_4bit=settings.inside_use_4bit)
    loaded = LoadedModel.of(
        model_name(source),
        family,
        loading.load(family),
        tokenizer=load_tokenizer(source),
        image_processor=family.load_image_processor(source),
        device=torch.device(loading.device),
        use_4bit=settings.inside_use_4bit,
    )
    return EngineParts(loaded=loaded, vision=VisionCache(loaded, settings.feature_cache_bytes))
