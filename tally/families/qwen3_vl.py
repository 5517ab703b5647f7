"""Qwen3-VL (arXiv 2511.21631): as Qwen2-VL, with DeepStack (arXiv 2406.04334) and head norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from tally.families.family import HeadNorms, UnsupportedModel
from tally.families.licences import APACHE_2, Licence
from tally.families.qwen2_vl import Qwen2VL

if TYPE_CHECKING:
    from torch import Tensor

    from tally.families.shape import ModelShape
    from tally.families.vision_tower.tower import FrozenTower


class Qwen3VL(Qwen2VL):
    """Some blocks of the tower give features too, which the language model's first layers add.

    An image's features are [image tokens, (1 + K) * H]: what stands in the placeholders' places,
    and what the first K layers add there, one after another.
    """

    model_type = "qwen3_vl"
    licences: ClassVar[Mapping[str, Licence]] = dict.fromkeys(
        ("Qwen/Qwen3-VL-2B", "Qwen/Qwen3-VL-4B", "Qwen/Qwen3-VL-8B", "Qwen/Qwen3-VL-32B"), APACHE_2
    )
    head_norms = HeadNorms(query="self_attn.q_norm", key="self_attn.k_norm")

    def check(self, config: Any) -> None:
        layers = config.get_text_config().num_hidden_layers
        if layers <= (added := len(config.vision_config.deepstack_visual_indexes)):
            raise UnsupportedModel(
                f"a model with {layers} layers, to {added} of which its tower gives features, is "
                f"not supported; expected more than {added} layers"
            )

    def frozen_tower(self, visual: Any) -> FrozenTower:
        from tally.families.vision_tower.learnt_positions import LearntPositions  # noqa: PLC0415
        from tally.families.vision_tower.tower import FrozenTower  # noqa: PLC0415

        mergers = zip(visual.deepstack_visual_indexes, visual.deepstack_merger_list, strict=True)
        return FrozenTower(
            visual, positions=LearntPositions(visual.pos_embed.weight), mergers=dict(mergers)
        )

    def deepstack_arguments(self, is_image: Tensor, added: Sequence[Tensor]) -> dict[str, Any]:
        return {"visual_pos_masks": is_image, "deepstack_visual_embeds": list(added)}

    def shape(self, config: Any) -> ModelShape:
        added = len(config.vision_config.deepstack_visual_indexes)
        return replace(super().shape(config), features_per_token=1 + added)

    def _head_size(self, text: Any) -> int:
        return int(text.head_dim)

    def _tower_parameters(self, vision: Any, hidden: int) -> int:
        width = vision.hidden_size
        merged = width * vision.spatial_merge_size**2
        mergers = len(vision.deepstack_visual_indexes) * (merged * merged + merged * hidden)
        positions = vision.num_position_embeddings * width
        return int(super()._tower_parameters(vision, hidden) + mergers + positions)

    def _tower_block(self, vision: Any) -> tuple[int, int]:
        return vision.hidden_size, 2 * vision.hidden_size * vision.intermediate_size


QWEN3_VL = Qwen3VL()
