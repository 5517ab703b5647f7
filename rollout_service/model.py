"""The models that the engines sample from, and how they are loaded."""

import contextlib
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
)

from rollout_service.engine import GenerationRequest, ModelDescription
from rollout_service.settings import RolloutSettings
from tally.rpc.digests import vocabulary_fingerprint
from tally.rpc.names import model_name

# Families whose language model, vision tower and rope indices have the same names and meaning.
SUPPORTED_MODEL_TYPES = ("qwen2_5_vl", "qwen2_vl")
LANGUAGE_MODEL = "model.language_model"


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model in evaluation mode with what belongs to it."""

    name: str
    model: Any
    tokenizer: Any
    image_processor: Any
    device: torch.device
    stop_token_ids: tuple[int, ...]
    barred_token_ids: tuple[int, ...]

    @property
    def vocabulary_size(self) -> int:
        return int(self.model.lm_head.out_features)


def load_model(settings: RolloutSettings) -> LoadedModel:
    """Loads what `settings.model` names; raises ValueError for a family that isn't supported."""
    _supported_config(settings)
    device = torch.device(_device_name(settings))
    return _with_belongings(settings, _load_weights(settings, device), device)


def load_outline(settings: RolloutSettings) -> LoadedModel:
    """As `load_model`, but the weights have shapes only: what an engine's other process serves."""
    config = _supported_config(settings)
    device = torch.device("meta")
    with device:
        model = AutoModelForImageTextToText.from_config(config)
    with contextlib.suppress(OSError):  # a model may come without one
        model.generation_config = GenerationConfig.from_pretrained(settings.model)
    return _with_belongings(settings, model, device)


def _supported_config(settings: RolloutSettings) -> Any:
    config = AutoConfig.from_pretrained(settings.model)
    if config.model_type not in SUPPORTED_MODEL_TYPES:
        supported = ", ".join(SUPPORTED_MODEL_TYPES)
        raise ValueError(
            f"cannot sample from a {config.model_type}; the supported ones are {supported}"
        )
    return config


def _with_belongings(settings: RolloutSettings, model: Any, device: torch.device) -> LoadedModel:
    if "sliding_attention" in model.config.get_text_config().layer_types:
        raise ValueError("cannot sample from a model with sliding-window attention")
    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    stop = stop_token_ids(model, tokenizer)
    return LoadedModel(
        name=model_name(settings.model),
        model=model,
        tokenizer=tokenizer,
        image_processor=AutoImageProcessor.from_pretrained(settings.model, backend="pil"),
        device=device,
        stop_token_ids=stop,
        barred_token_ids=barred_token_ids(tokenizer, stop, model.lm_head.out_features),
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
        image_token_id=config.image_token_id,
        video_token_id=config.video_token_id,
        least_temperature=temperatures[0],
        most_temperature=temperatures[1],
    )


def warm_up_request(loaded: LoadedModel) -> GenerationRequest:
    prompt = (loaded.stop_token_ids[0],) * 8
    return GenerationRequest(
        prompt_token_ids=prompt, num_completions=2, temperature=1.0, max_new_tokens=2, seed=0
    )


def stop_token_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """The ids that close a completion: the model's own, or else the tokenizer's."""
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


def _load_weights(settings: RolloutSettings, device: torch.device) -> Any:
    dtype = _dtype(settings, device)
    options: dict[str, Any] = {}
    if settings.use_4bit:
        options["device_map"] = {"": str(device)}
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            llm_int8_skip_modules=["visual", "lm_head"],
        )
    model = AutoModelForImageTextToText.from_pretrained(
        settings.model, dtype=dtype, attn_implementation="sdpa", use_safetensors=True, **options
    )
    if not settings.use_4bit:
        model.to(device)
    return model.eval().requires_grad_(False)


def _dtype(settings: RolloutSettings, device: torch.device) -> torch.dtype:
    if settings.dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return torch.float32 if settings.dtype == "float32" else torch.bfloat16
