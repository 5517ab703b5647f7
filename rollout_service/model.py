"""The model that an engine samples from, with what belongs to it, and how it is loaded."""

import contextlib
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
    GenerationConfig,
)

from rollout_service.engine import GenerationRequest, ModelDescription
from rollout_service.settings import RolloutSettings
from tally.families.family import Family
from tally.families.grid import ImageGrid
from tally.families.registry import read_config
from tally.rpc.digests import vocabulary_fingerprint
from tally.rpc.names import model_name
from tally.weights.base_loading import BaseLoading
from tally.weights.kept_bases import KeptBases, default_folder


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model in evaluation mode with what belongs to it."""

    name: str
    family: Family
    model: Any
    tokenizer: Any
    image_processor: Any
    device: torch.device
    stop_token_ids: tuple[int, ...]
    barred_token_ids: tuple[int, ...]

    @property
    def head(self) -> Any:
        """Hidden states to logits."""
        return self.model.get_output_embeddings()

    @property
    def vocabulary_size(self) -> int:
        return int(self.head.out_features)

    @property
    def grid(self) -> ImageGrid:
        return self.family.grid(self.model.config, self.image_processor)

    @property
    def image_token_id(self) -> int:
        return self.family.image_token_id(self.model.config)


def load_model(settings: RolloutSettings) -> LoadedModel:
    """Loads what `settings.model` names; raises UnsupportedModel."""
    _, family = read_config(settings.model)
    device = torch.device(_device_name(settings))
    return _load_belongings(settings, family, _load_weights(settings, family, device), device)


def load_outline(settings: RolloutSettings) -> LoadedModel:
    """As `load_model`, but the weights have shapes only: what an engine's other process serves."""
    config, family = read_config(settings.model)
    device = torch.device("meta")
    with device:
        model = AutoModelForImageTextToText.from_config(config)
    with contextlib.suppress(OSError):  # a model may come without one
        model.generation_config = GenerationConfig.from_pretrained(settings.model)
    return _load_belongings(settings, family, model, device)


def _load_belongings(
    settings: RolloutSettings, family: Family, model: Any, device: torch.device
) -> LoadedModel:
    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    stop = stop_token_ids(model, tokenizer, family.closing_text)
    return LoadedModel(
        name=model_name(settings.model),
        family=family,
        model=model,
        tokenizer=tokenizer,
        image_processor=family.load_image_processor(settings.model),
        device=device,
        stop_token_ids=stop,
        barred_token_ids=barred_token_ids(
            tokenizer, stop, model.get_output_embeddings().out_features
        ),
    )


def describe(
    loaded: LoadedModel,
    settings: RolloutSettings,
    *,
    engine: str,
    temperatures: tuple[float, float] = (0.0, 10.0),
) -> ModelDescription:
    """`temperatures`: the least and the most that the engine samples at."""
    config = loaded.model.config
    longest = config.get_text_config().max_position_embeddings
    return ModelDescription(
        base_model=loaded.name,
        engine=engine,
        vocabulary_fingerprint=vocabulary_fingerprint(loaded.tokenizer.get_vocab()),
        vocabulary_size=loaded.vocabulary_size,
        max_sequence_tokens=min(settings.max_sequence_tokens, longest),
        barred_token_ids=loaded.barred_token_ids,
        use_4bit=settings.use_4bit,
        image_token_id=loaded.image_token_id,
        video_token_id=loaded.family.video_token_id(config),
        least_temperature=temperatures[0],
        most_temperature=temperatures[1],
    )


def warm_up_request(loaded: LoadedModel) -> GenerationRequest:
    barred = {loaded.image_token_id, loaded.family.video_token_id(loaded.model.config)}
    prompt = (next(number for number in count() if number not in barred),) * 8
    return GenerationRequest(
        prompt_token_ids=prompt, num_completions=2, temperature=1.0, max_new_tokens=2, seed=0
    )


def stop_token_ids(model: Any, tokenizer: Any, closing_text: str = "") -> tuple[int, ...]:
    """The ids that close a completion: the model's own, or else the tokenizer's.

    `closing_text` is among them where the tokenizer has one token for it.
    """
    closing = tokenizer.get_vocab().get(closing_text)
    own = _own_stop_ids(model, tokenizer)
    return own if closing is None or closing in own else (*own, closing)


def _own_stop_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    for ids in (model.generation_config.eos_token_id, model.config.get_text_config().eos_token_id):
        if ids is not None:
            return tuple(ids) if isinstance(ids, list) else (ids,)
    return (tokenizer.eos_token_id,)


def barred_token_ids(
    tokenizer: Any, stop_ids: tuple[int, ...], vocabulary_size: int
) -> tuple[int, ...]:
    """Every special or added token that closes nothing, and every id that has no token."""
    added = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    unused = range(len(tokenizer), vocabulary_size)
    return tuple(sorted((added | set(unused)) - set(stop_ids)))


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
