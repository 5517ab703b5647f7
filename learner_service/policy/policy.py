"""The policy: a frozen base model with a LoRA adapter on its language model's linear layers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import peft
import torch
from peft import PeftModel, get_peft_model
from PIL import Image
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    BitsAndBytesConfig,
)

from learner_service.data.dataset import ImageGrid, grid_of
from learner_service.errors import UnknownModel
from learner_service.policy.attention import PACKED_ATTENTION, PackedAttention
from learner_service.policy.features import FeatureCache, FeatureFolder, tower_fingerprint
from learner_service.policy.last_layer import shorten
from learner_service.policy.lora import fuse
from learner_service.policy.packing import PackedGroups
from learner_service.policy.threads import worthwhile_threads
from learner_service.policy.token_logps import TokenLogps, choices, score
from tally.families.vision_tower.tower import FrozenTower
from tally.job.settings import LoraConfig

# Families whose language model, vision tower and rope indices have the same names and meaning.
SUPPORTED_MODEL_TYPES = ("qwen2_5_vl", "qwen2_vl")
# Only the language model: the vision tower stays frozen, so its features can be kept.
LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"

# Decoded and encoded together: their patches are in memory at once.
_IMAGES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """How to load the base model: `source` is a folder or a hub name.

    `feature_folder` is where vision features are kept beyond memory; None for nowhere.
    """

    source: str
    device: str
    dtype: torch.dtype
    use_4bit: bool
    seed: int
    feature_cache_bytes: int
    feature_folder: Path | None = None
    feature_folder_bytes: int = 0
    gradient_checkpointing: bool = False


class Policy:
    """Base model, adapter, tokenizer and image processor; log-probabilities of packed groups."""

    def __init__(self, settings: PolicySettings, lora: LoraConfig) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(settings.source)
        self.image_processor = AutoImageProcessor.from_pretrained(settings.source, backend="pil")
        self.device = torch.device(settings.device)
        base = _load_base(settings)
        self.head_V_H = base.get_output_embeddings().weight
        # The forward pass ends at the hidden states: `score` takes them through the head.
        base.set_output_embeddings(torch.nn.Identity())
        torch.manual_seed(settings.seed)
        self.model: PeftModel = get_peft_model(base, _peft_config(lora))
        fuse(self.model)
        shorten(base.model.language_model)
        if settings.gradient_checkpointing:
            base.model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
        self.image_token_id: int = base.config.image_token_id
        self._tower = FrozenTower(base.model.visual)
        self._features = FeatureCache(settings.feature_cache_bytes, self._feature_folder(settings))
        self._barred_ids = torch.zeros(0, dtype=torch.long, device=self.device)
        # Prompts of one data set differ little in where their image stands and in its size.
        self._positions = lru_cache(maxsize=256)(self._computed_positions)

    @property
    def base(self) -> torch.nn.Module:
        """The model under the adapter's wrapping."""
        return self.model.get_base_model()

    @property
    def image_grid(self) -> ImageGrid:
        return grid_of(self.image_processor)

    @property
    def hidden_size(self) -> int:
        return self.head_V_H.shape[1]

    def bar(self, token_ids: Sequence[int]) -> None:
        """Takes these ids out of every distribution, as the rollout replicas do."""
        self._barred_ids = torch.tensor(list(token_ids), dtype=torch.long, device=self.device)

    def position_ids(self, prompt_ids: Sequence[int], grid_thw: tuple[int, int, int]) -> Tensor:
        """M-RoPE positions of a prompt with one image: [3, prompt tokens]; not to be changed."""
        is_image = tuple(token_id == self.image_token_id for token_id in prompt_ids)
        return self._positions(is_image, grid_thw)

    def _computed_positions(
        self, is_image: tuple[bool, ...], grid_thw: tuple[int, int, int]
    ) -> Tensor:
        types = torch.tensor([is_image]).int()
        positions, _ = self.base.model.get_rope_index(
            torch.zeros_like(types, dtype=torch.long),
            mm_token_type_ids=types,
            image_grid_thw=torch.tensor([grid_thw]),
        )
        return positions[:, 0]

    def _feature_folder(self, settings: PolicySettings) -> FeatureFolder | None:
        tower = self.base.model.visual
        if any(parameter.requires_grad for parameter in tower.parameters()):
            raise ValueError("features of a vision tower that trains can't be kept")
        if settings.feature_folder is None:
            return None
        fingerprint = tower_fingerprint(
            tower,
            {"processor": self.image_processor.to_dict(), "tower": tower.config.to_dict()},
        )
        return FeatureFolder(settings.feature_folder, settings.feature_folder_bytes, fingerprint)

    def forget_features(self) -> None:
        """As if no image had been seen; what is kept on disk stays."""
        self._features.forget()

    def features(
        self, digests: Sequence[str], open_image: Callable[[str], Image.Image]
    ) -> list[Tensor]:
        """Vision features of staged images, [image tokens, H] each, on the CPU.

        Opened only where not kept.
        """

        def compute(missing: list[str]) -> Iterator[Tensor]:
            for first in range(0, len(missing), _IMAGES_AT_ONCE):
                together = missing[first : first + _IMAGES_AT_ONCE]
                yield from self._compute_features([open_image(digest) for digest in together])

        return self._features.get(digests, compute)

    def _compute_features(self, images: list[Image.Image]) -> list[Tensor]:
        inputs = self.image_processor(images=images, return_tensors="pt")
        pixels = inputs["pixel_values"].to(self.device)
        with worthwhile_threads(self.device, len(pixels), self._tower.hidden_size):
            return self._tower(pixels, inputs["image_grid_thw"])

    def log_probabilities(
        self,
        model: torch.nn.Module,
        packed: PackedGroups,
        features: Sequence[Tensor],
        temperature: float,
    ) -> TokenLogps:
        """One forward pass over B groups; `features` holds each group's, in order.

        `model` is this policy's model, or what wraps it for several processes.
        """
        mask = packed.completion_mask
        chosen = choices(packed.sources[mask], packed.target_ids[mask]).to(self.device)
        hidden_K_H = model(
            inputs_embeds=self._embeddings(packed, features),
            attention_mask={"full_attention": None},
            position_ids=packed.position_ids.unsqueeze(1).to(self.device),
            packed=PackedAttention(packed.spans, self.device),
            use_cache=False,
        ).logits[0]
        logps, entropies = score(
            hidden_K_H,
            self.head_V_H,
            chosen,
            temperature=temperature,
            barred_ids=self._barred_ids,
        )
        mask = mask.to(self.device)
        zeros = logps.new_zeros(mask.shape)
        return TokenLogps(
            logps=zeros.masked_scatter(mask, logps),
            entropies=zeros.masked_scatter(mask, entropies),
        )

    @torch.no_grad()
    def _embeddings(self, packed: PackedGroups, features: Sequence[Tensor]) -> Tensor:
        """Token embeddings with the images' features in their places: [1, S, H].

        Raises ValueError where the images have another number of features than of places.
        """
        is_image = packed.token_ids == self.image_token_id
        found = sum(len(image) for image in features)
        if found != int(is_image.sum()):
            raise ValueError(f"{found} image features for {int(is_image.sum())} image tokens")
        embeddings = self.base.get_input_embeddings()(packed.token_ids.to(self.device))
        image_mask = is_image.to(self.device).unsqueeze(-1)
        return embeddings.masked_scatter(
            image_mask, torch.cat(list(features)).to(embeddings)
        ).unsqueeze(0)


def _load_base(settings: PolicySettings) -> torch.nn.Module:
    config = AutoConfig.from_pretrained(settings.source)
    model_type = config.model_type
    if model_type not in SUPPORTED_MODEL_TYPES:
        supported = ", ".join(SUPPORTED_MODEL_TYPES)
        raise UnknownModel(f"cannot train a {model_type}; the supported families are {supported}")
    if set(config.get_text_config().layer_types) != {"full_attention"}:
        raise UnknownModel("cannot train a model with sliding windows; set use_sliding_window off")
    quantization = None
    if settings.use_4bit:
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=settings.dtype,
            llm_int8_skip_modules=["visual", "lm_head"],
        )
    model = AutoModelForImageTextToText.from_pretrained(
        settings.source,
        dtype=settings.dtype,
        quantization_config=quantization,
        attn_implementation={"text_config": PACKED_ATTENTION, "vision_config": "sdpa"},
        device_map={"": settings.device},
    )
    return model.requires_grad_(False)


def _peft_config(lora: LoraConfig) -> peft.LoraConfig:
    return peft.LoraConfig(
        r=lora.r,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=LORA_TARGETS,
        bias="none",
        task_type="CAUSAL_LM",
    )
