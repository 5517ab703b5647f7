"""The policy: a frozen base model with a LoRA adapter on its language model's linear layers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import peft
import torch
from peft import PeftModel, get_peft_model
from PIL import Image
from torch import Tensor

from learner_service.models import read_supported
from learner_service.policy.attention import PACKED_ATTENTION, Attention, PackedAttention
from learner_service.policy.features import FeatureCache, FeatureFolder, tower_fingerprint
from learner_service.policy.last_layer import shorten
from learner_service.policy.lora import fuse
from learner_service.policy.packing import PackedGroups
from learner_service.policy.sharding import ShardedLayers, shard
from learner_service.policy.threads import worthwhile_threads
from learner_service.policy.token_logps import TokenLogps, choices, score
from learner_service.ranks import Ranks
from learner_service.tokenizers import load_tokenizer
from tally.families.family import Family
from tally.families.grid import ImageGrid
from tally.job.settings import LoraConfig
from tally.weights.base_loading import BaseLoading
from tally.weights.kept_bases import KeptBases

# Decoded and encoded together: their patches are in memory at once.
_IMAGES_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """How to load the base model: `source` is a folder or a hub name.

    `feature_folder` is where vision features are kept beyond memory, and `kept_bases` where a base
    in 4 bits is; None for nowhere.
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
    kept_bases: KeptBases | None = None


class Policy:
    """Base model, adapter, tokenizer and image processor; log-probabilities of packed groups."""

    def __init__(
        self, settings: PolicySettings, lora: LoraConfig, sharded_over: Ranks | None = None
    ) -> None:
        """With `sharded_over` each of these processes holds a part of the base's decoder layers.

        They then begin every forward and backward pass together; see `join`.
        """
        _, self.family = read_supported(settings.source)
        self.tokenizer = load_tokenizer(settings.source)
        self.image_processor = self.family.load_image_processor(settings.source)
        self.device = torch.device(settings.device)
        base, self._sharded_layers = self._load_base(settings, sharded_over)
        self.head_V_H: Tensor = base.get_output_embeddings().weight
        torch.manual_seed(settings.seed)
        self.model: PeftModel = get_peft_model(base, _peft_config(lora, self.family))
        fuse(self.model)
        language_model = self.family.language_model(base)
        shorten(language_model, self.family)
        if settings.gradient_checkpointing:
            language_model.gradient_checkpointing_enable({"use_reentrant": False})
        self.image_token_id = self.family.image_token_id(base.config)
        # [axes, prompt tokens] of prompt ids and the patches of their image
        self.position_ids = self.family.prompt_positions(base)
        self._tower = self.family.frozen_tower(self.family.visual(base))
        self._features = FeatureCache(settings.feature_cache_bytes, self._feature_folder(settings))
        self._barred_ids = torch.zeros(0, dtype=torch.long, device=self.device)

    def _load_base(
        self, settings: PolicySettings, sharded_over: Ranks | None
    ) -> tuple[Any, ShardedLayers | None]:
        loading = _base_of(settings)
        if sharded_over is None:
            return loading.load(self.family), None
        if settings.use_4bit:
            raise ValueError("a base in 4 bits is not held in parts")
        base = loading.load_as_stored()
        layers = self.family.language_model(base).layers
        return base, shard(base, layers, sharded_over, device=self.device, dtype=settings.dtype)

    @property
    def is_sharded(self) -> bool:
        return self._sharded_layers is not None

    @property
    def base(self) -> Any:
        """transformers' model, under the adapter's wrapping."""
        return self.model.get_base_model()

    @property
    def image_grid(self) -> ImageGrid:
        return self.family.grid(self.base.config, self.image_processor)

    @property
    def hidden_size(self) -> int:
        return self.head_V_H.shape[1]

    def bar(self, token_ids: Sequence[int]) -> None:
        """Takes these ids out of every distribution, as the rollout replicas do."""
        self._barred_ids = torch.tensor(list(token_ids), dtype=torch.long, device=self.device)

    def _feature_folder(self, settings: PolicySettings) -> FeatureFolder | None:
        tower = self.family.visual(self.base)
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
        """Vision features of staged images, [image tokens, features] each, on the CPU.

        Opened only where not kept.
        """

        def compute(missing: list[str]) -> Iterator[Tensor]:
            for first in range(0, len(missing), _IMAGES_AT_ONCE):
                together = missing[first : first + _IMAGES_AT_ONCE]
                yield from self._compute_features([open_image(digest) for digest in together])

        return self._features.get(digests, compute)

    def _compute_features(self, images: list[Image.Image]) -> list[Tensor]:
        patches = self.family.patches(images, self.image_processor).to(self.device)
        grid = self.image_grid
        count = sum(prod(grid.patches(*image.size)) for image in images)
        with worthwhile_threads(self.device, count, self._tower.hidden_size):
            return self._tower(patches)

    def log_probabilities(
        self, packed: PackedGroups, features: Sequence[Tensor], temperature: float
    ) -> TokenLogps:
        """One forward pass over B groups; `features` holds each group's, in order."""
        attention = PackedAttention(packed.spans, self.device)
        hidden = self.run(packed.token_ids, packed.position_ids, features, attention)
        return self.score(hidden, packed, temperature)

    def run(
        self,
        token_ids: Tensor,
        position_ids: Tensor,
        features: Sequence[Tensor],
        attention: Attention,
    ) -> Tensor:
        """One forward pass over S tokens, [S] and [axes, S], whose images' `features` are in order.

        → [K, H] at the K positions that `attention` says predict.
        """
        hidden: Tensor = self.family.language_model(self.base)(
            **self._inputs(token_ids, features),
            # `packed` says who sees whom; of a mask with four axes transformers makes no other.
            attention_mask=torch.ones((1, 1, 1, 1), dtype=torch.bool, device=self.device),
            position_ids=self.family.batch_positions(position_ids[:, None].to(self.device)),
            packed=attention,
            use_cache=False,
        ).last_hidden_state[0]
        return hidden

    def score(self, hidden_K_H: Tensor, packed: PackedGroups, temperature: float) -> TokenLogps:
        """What the K predicting positions of `packed`, in their order, say of its completions."""
        mask = packed.completion_mask
        chosen = choices(packed.sources[mask], packed.target_ids[mask]).to(self.device)
        barred, head = self._barred_ids, self.head_V_H
        logps, entropies = score(
            hidden_K_H, head, chosen, temperature=temperature, barred_ids=barred
        )
        mask = mask.to(self.device)
        zeros = logps.new_zeros(mask.shape)
        return TokenLogps(
            logps=zeros.masked_scatter(mask, logps),
            entropies=zeros.masked_scatter(mask, entropies),
        )

    def join(self, *, forward_passes: int) -> None:
        """Where the base is sharded: takes part in so many forward passes that another process
        makes, and in one backward, without one of its own."""
        if self._sharded_layers is not None:
            self._sharded_layers.join(forward_passes=forward_passes)

    @torch.no_grad()
    def _inputs(self, token_ids: Tensor, features: Sequence[Tensor]) -> dict[str, Any]:
        """Token embeddings with the images' features in their places, [1, S, H], and what images
        add in later layers.

        Raises ValueError where the images have another number of features than of places.
        """
        is_image = token_ids == self.image_token_id
        found = sum(len(image) for image in features)
        if found != int(is_image.sum()):
            raise ValueError(f"{found} image features for {int(is_image.sum())} image tokens")
        embeddings = self.base.get_input_embeddings()(token_ids.to(self.device))
        if not features:
            return {"inputs_embeds": embeddings.unsqueeze(0)}
        is_image = is_image.to(self.device)
        first, *added = torch.cat(list(features)).to(embeddings).split(self.hidden_size, dim=-1)
        placed = embeddings.masked_scatter(is_image.unsqueeze(-1), first)
        return {
            "inputs_embeds": placed.unsqueeze(0),
            **self.family.deepstack_arguments(is_image.unsqueeze(0), added),
        }


def _base_of(settings: PolicySettings) -> BaseLoading:
    return BaseLoading(
        source=settings.source,
        device=settings.device,
        dtype=settings.dtype,
        use_4bit=settings.use_4bit,
        attention={"text_config": PACKED_ATTENTION, "vision_config": "sdpa"},
        kept=settings.kept_bases,
    )


def _peft_config(lora: LoraConfig, family: Family) -> peft.LoraConfig:
    return peft.LoraConfig(
        r=lora.r,
        lora_alpha=lora.lora_alpha,  # type: ignore[arg-type]  # PEFT divides by r: a float will do
        lora_dropout=lora.lora_dropout,
        target_modules=family.lora_targets,
        bias="none",
        task_type="CAUSAL_LM",
    )
