"""Aria (arXiv 2410.05993): a mixture of experts, over images padded to squares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tally.families.family import Family, Projections, UnsupportedModel
from tally.families.grid import PaddedGrid
from tally.families.licences import APACHE_2, Licence
from tally.families.shape import ModelShape

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from tally.families.positions import TextPositions
    from tally.families.vision_tower.padded_images import PaddedImages
    from tally.families.vision_tower.padded_tower import PaddedTower, TowerAndProjector

# The sides that transformers' processor pads to, in pixels.
_SIDES = (490, 980)


class Aria(Family):
    """Adapted are attention and the shared experts.

    The routed experts are one tensor of three axes for each layer, which LoRA on linear layers does
    not reach. An image is one square: it is never split into several.
    """

    model_type = "aria"
    licences: ClassVar[Mapping[str, Licence]] = {"rhymes-ai/Aria": APACHE_2}
    language_model_path = "model.language_model"
    vision_tower_path = "model.vision_tower"
    image_token = "<|img|>"
    closing_text = "<|im_end|>"
    position_axes = 1
    vllm_adapts = False
    projections = Projections(
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        output="self_attn.o_proj",
        gate="mlp.shared_experts.gate_proj",
        up="mlp.shared_experts.up_proj",
        down="mlp.shared_experts.down_proj",
    )

    def check(self, config: Any) -> None:
        if not _tokens_by_side(config):
            raise UnsupportedModel(
                "an Aria whose projector takes neither images of 490 px nor of 980 px is not "
                "supported; projector_patch_to_query_dict in its config.json says which it takes"
            )

    def visual(self, model: torch.nn.Module) -> TowerAndProjector:
        from tally.families.vision_tower.padded_tower import TowerAndProjector  # noqa: PLC0415

        return TowerAndProjector(model.get_submodule("model"), model.config)

    def image_token_id(self, config: Any) -> int:
        return int(config.image_token_id)

    def video_token_id(self, config: Any) -> None:
        """Aria has no placeholder of its own for videos."""

    def grid(self, config: Any, image_processor: Any) -> PaddedGrid:
        largest = image_processor.max_image_size
        by_side = _tokens_by_side(config)
        return PaddedGrid(
            patch_pixels=config.vision_config.patch_size,
            min_side_pixels=image_processor.min_image_size,
            tokens_by_side={side: by_side[side] for side in by_side if side <= largest},
        )

    def patches(self, images: Sequence[Image.Image], image_processor: Any) -> PaddedImages:
        from tally.families.vision_tower.padded_images import PaddedImages  # noqa: PLC0415

        squares = [
            image_processor(
                images=[image],
                max_image_size=max(image.size),
                split_image=False,
                return_tensors="pt",
            )
            for image in images
        ]
        return PaddedImages(
            pixel_values=tuple(square["pixel_values"][0] for square in squares),
            pixel_masks=tuple(square["pixel_mask"][0] for square in squares),
        )

    def frozen_tower(self, visual: Any) -> PaddedTower:
        from tally.families.vision_tower.padded_tower import PaddedTower  # noqa: PLC0415

        return PaddedTower(visual)

    def prompt_positions(self, model: Any) -> TextPositions:
        from tally.families.positions import TextPositions  # noqa: PLC0415

        return TextPositions()

    def shape(self, config: Any) -> ModelShape:
        text = config.get_text_config()
        expert = 3 * text.hidden_size * text.intermediate_size
        return ModelShape(
            vocabulary=text.vocab_size,
            hidden=text.hidden_size,
            layers=text.num_hidden_layers,
            query=text.num_attention_heads * text.head_dim,
            key_value=text.num_key_value_heads * text.head_dim,
            intermediate=text.intermediate_size * text.moe_num_shared_experts,
            tied_embeddings=bool(config.tie_word_embeddings),
            vision_parameters=_vision_parameters(config),
            vision_width=config.vision_config.hidden_size,
            vision_perceptron=2 * config.vision_config.intermediate_size,
            patch_numbers=3 * config.vision_config.patch_size**2,
            patches_per_token=_patches_per_token(config),
            routed_parameters=text.num_hidden_layers * text.moe_num_experts * expert,
            routed_intermediate=text.intermediate_size * text.moe_topk,
        )


def _tokens_by_side(config: Any) -> dict[int, int]:
    """Of the sides that the processor has, those that the projector takes."""
    patch_pixels = config.vision_config.patch_size
    queries = config.projector_patch_to_query_dict
    squares = {side: (side // patch_pixels) ** 2 for side in _SIDES}
    return {side: queries[square] for side, square in squares.items() if square in queries}


def _patches_per_token(config: Any) -> int:
    """The most of any size of picture."""
    queries: dict[int, int] = config.projector_patch_to_query_dict
    return max(math.ceil(patches / tokens) for patches, tokens in queries.items())


def _vision_parameters(config: Any) -> int:
    """The tower with its table of positions, and the projector."""
    vision, hidden = config.vision_config, config.get_text_config().hidden_size
    width = vision.hidden_size
    patch = 3 * vision.patch_size**2 * width
    places = (vision.image_size // vision.patch_size) ** 2 * width
    blocks = vision.num_hidden_layers * (4 * width**2 + 2 * width * vision.intermediate_size)
    queries = max(config.projector_patch_to_query_dict.values()) * width
    # Queries, keys and values; torch's attention projects them once more, and its output; a layer.
    attention = 3 * width**2 + 4 * width**2 + width**2
    projector = attention + width * hidden + hidden**2
    return int(patch + places + blocks + queries + projector)


ARIA = Aria()
