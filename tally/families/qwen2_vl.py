"""Qwen2-VL (arXiv 2409.12191)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tally.families.family import Family, Projections, UnsupportedModel
from tally.families.grid import PatchGrid
from tally.families.licences import APACHE_2, TONGYI_QIANWEN, Licence
from tally.families.shape import ModelShape

if TYPE_CHECKING:
    from PIL import Image

    from tally.families.positions import AxesPositions
    from tally.families.vision_tower.patches import Patches
    from tally.families.vision_tower.tower import FrozenTower


class Qwen2VL(Family):
    """The language model of Qwen2 with positions in three axes, and a tower that sees whole images.

    Methods that need torch import it themselves.
    """

    model_type = "qwen2_vl"
    licences: ClassVar[Mapping[str, Licence]] = {
        "Qwen/Qwen2-VL-2B": APACHE_2,
        "Qwen/Qwen2-VL-7B": APACHE_2,
        "Qwen/Qwen2-VL-72B": TONGYI_QIANWEN,
    }
    language_model_path = "model.language_model"
    vision_tower_path = "model.visual"
    image_token = "<|image_pad|>"
    video_token = "<|video_pad|>"
    position_axes = 3
    projections = Projections(
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        output="self_attn.o_proj",
        gate="mlp.gate_proj",
        up="mlp.up_proj",
        down="mlp.down_proj",
    )

    def check(self, config: Any) -> None:
        if set(config.get_text_config().layer_types) != {"full_attention"}:
            raise UnsupportedModel(
                "a model with sliding-window attention is not supported; set use_sliding_window "
                "off in its config.json"
            )

    def image_token_id(self, config: Any) -> int:
        return int(config.image_token_id)

    def video_token_id(self, config: Any) -> int:
        return int(config.video_token_id)

    def grid(self, config: Any, image_processor: Any) -> PatchGrid:
        return PatchGrid(
            patch_pixels=image_processor.patch_size,
            merge_size=image_processor.merge_size,
            min_pixels=image_processor.size["shortest_edge"],
            max_pixels=image_processor.size["longest_edge"],
        )

    def patches(self, images: Sequence[Image.Image], image_processor: Any) -> Patches:
        from tally.families.vision_tower.patches import Patches  # noqa: PLC0415

        inputs = image_processor(images=list(images), return_tensors="pt")
        return Patches(pixel_values=inputs["pixel_values"], grid_thw=inputs["image_grid_thw"])

    def frozen_tower(self, visual: Any) -> FrozenTower:
        from tally.families.vision_tower.tower import FrozenTower  # noqa: PLC0415

        return FrozenTower(visual)

    def prompt_positions(self, model: Any) -> AxesPositions:
        from tally.families.positions import AxesPositions  # noqa: PLC0415

        return AxesPositions(model.model.get_rope_index, self.image_token_id(model.config))

    def shape(self, config: Any) -> ModelShape:
        text = config.get_text_config()
        head_size = self._head_size(text)
        vision = config.vision_config
        width, perceptron = self._tower_block(vision)
        return ModelShape(
            vocabulary=text.vocab_size,
            hidden=text.hidden_size,
            layers=text.num_hidden_layers,
            query=text.num_attention_heads * head_size,
            key_value=text.num_key_value_heads * head_size,
            intermediate=text.intermediate_size,
            tied_embeddings=bool(config.tie_word_embeddings),
            vision_parameters=self._tower_parameters(vision, text.hidden_size),
            vision_width=width,
            vision_perceptron=perceptron // width,
            patch_numbers=_patch_numbers(vision),
            patches_per_token=vision.spatial_merge_size**2,
        )

    def _head_size(self, text: Any) -> int:
        return int(text.hidden_size // text.num_attention_heads)

    def _tower_parameters(self, vision: Any, hidden: int) -> int:
        width, perceptron = self._tower_block(vision)
        merged = width * vision.spatial_merge_size**2
        blocks = vision.depth * (4 * width**2 + perceptron)
        return int(_patch_numbers(vision) * width + blocks + merged * merged + merged * hidden)

    def _tower_block(self, vision: Any) -> tuple[int, int]:
        """The width of the tower's blocks, and the parameters of a block's perceptron."""
        width = vision.embed_dim
        return width, round(2 * width * width * vision.mlp_ratio)


def _patch_numbers(vision: Any) -> int:
    return int(3 * vision.temporal_patch_size * vision.patch_size**2)


QWEN2_VL = Qwen2VL()
