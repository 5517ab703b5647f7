"""The policy: a frozen base model with a LoRA adapter on its language model's linear layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    BitsAndBytesConfig,
)

from learner_service.dataset import ImageGrid, grid_of
from learner_service.errors import UnknownModel
from learner_service.features import FeatureCache
from learner_service.packing import PackedGroups
from learner_service.spec import LoraSettings

# Families whose language model, vision tower and rope indices have the same names and meaning.
SUPPORTED_MODEL_TYPES = ("qwen2_5_vl", "qwen2_vl")
# Only the language model: the vision tower stays frozen, so its features can be kept.
LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """How to load the base model: `source` is a folder or a hub name."""

    source: str
    device: str
    dtype: torch.dtype
    use_4bit: bool
    seed: int
    feature_cache_bytes: int


@dataclass(frozen=True, kw_only=True)
class TokenLogps:
    """Per completion token, [N, T]: log-probability of the sampled one, entropy of all of them."""

    logps: Tensor
    entropies: Tensor


class Policy:
    """Base model, adapter, tokenizer and image processor; log-probabilities of packed groups."""

    def __init__(self, settings: PolicySettings, lora: LoraSettings) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(settings.source)
        self.image_processor = AutoImageProcessor.from_pretrained(settings.source, backend="pil")
        self.device = torch.device(settings.device)
        base = _load_base(settings)
        torch.manual_seed(settings.seed)
        self.model: PeftModel = get_peft_model(base, _lora_config(lora))
        self.pad_id: int = self.tokenizer.pad_token_id
        self.image_token_id: int = base.config.image_token_id
        self._features = FeatureCache(settings.feature_cache_bytes)
        self._barred_ids = torch.zeros(0, dtype=torch.long, device=self.device)

    @property
    def base(self) -> torch.nn.Module:
        """The model under the adapter's wrapping."""
        return self.model.get_base_model()

    @property
    def image_grid(self) -> ImageGrid:
        return grid_of(self.image_processor)

    def bar(self, token_ids: Sequence[int]) -> None:
        """Takes these ids out of every distribution, as the rollout replicas do."""
        self._barred_ids = torch.tensor(list(token_ids), dtype=torch.long, device=self.device)

    def position_ids(self, prompt_ids: Sequence[int], grid_thw: tuple[int, int, int]) -> Tensor:
        """M-RoPE positions of a prompt with one image: [3, prompt tokens]."""
        ids = torch.tensor([list(prompt_ids)])
        positions, _ = self.base.model.get_rope_index(
            ids,
            mm_token_type_ids=(ids == self.image_token_id).int(),
            image_grid_thw=torch.tensor([grid_thw]),
        )
        return positions[:, 0]

    @torch.no_grad()
    def features(self, digest: str, open_image: Callable[[], Image.Image]) -> Tensor:
        """Vision features of a staged image, [image tokens, H]; opened only where not kept."""
        return self._features.get(digest, lambda: self._compute_features(open_image()))

    def _compute_features(self, image: Image.Image) -> Tensor:
        inputs = self.image_processor(images=[image], return_tensors="pt").to(self.device)
        output = self.base.model.get_image_features(
            inputs["pixel_values"], inputs["image_grid_thw"]
        )
        return output.pooler_output[0]

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
        token_ids = packed.token_ids.to(self.device)
        embeddings = self.base.get_input_embeddings()(token_ids)
        image_mask = (token_ids == self.image_token_id).unsqueeze(-1)
        embeddings = embeddings.masked_scatter(image_mask, torch.cat(list(features)))
        columns, places = packed.source_columns.unique(return_inverse=True)
        logits_B_K_V = model(
            inputs_embeds=embeddings,
            attention_mask=packed.attention_mask.to(self.device),
            position_ids=packed.position_ids.to(self.device),
            logits_to_keep=columns.to(self.device),
            use_cache=False,
        ).logits
        logits_N_T_V = logits_B_K_V[packed.source_rows, places].float()
        return self._scored(logits_N_T_V, packed.target_ids.to(self.device), temperature)

    def _scored(self, logits: Tensor, targets: Tensor, temperature: float) -> TokenLogps:
        logits = logits.index_fill(-1, self._barred_ids, -torch.inf) / temperature
        all_logps = logits.log_softmax(dim=-1)
        with torch.no_grad():
            entropies = -(all_logps.exp() * all_logps.nan_to_num(neginf=0.0)).sum(dim=-1)
        logps = all_logps.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        return TokenLogps(logps=logps, entropies=entropies)


def _load_base(settings: PolicySettings) -> torch.nn.Module:
    model_type = AutoConfig.from_pretrained(settings.source).model_type
    if model_type not in SUPPORTED_MODEL_TYPES:
        supported = ", ".join(SUPPORTED_MODEL_TYPES)
        raise UnknownModel(f"cannot train a {model_type}; the supported families are {supported}")
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
        attn_implementation="sdpa",
        device_map={"": settings.device},
    )
    return model.requires_grad_(False)


def _lora_config(lora: LoraSettings) -> LoraConfig:
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=LORA_TARGETS,
        bias="none",
        task_type="CAUSAL_LM",
    )
