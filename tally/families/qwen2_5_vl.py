"""Qwen2.5-VL (arXiv 2502.13923): as Qwen2-VL, but most blocks of its tower see windows only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tally.families.licences import APACHE_2, QWEN, QWEN_RESEARCH, Licence
from tally.families.qwen2_vl import Qwen2VL

if TYPE_CHECKING:
    from tally.families.vision_tower.tower import FrozenTower


class Qwen25VL(Qwen2VL):
    """The blocks of the tower are those of a Llama: their perceptron has a gate."""

    model_type = "qwen2_5_vl"
    licences: ClassVar[Mapping[str, Licence]] = {
        "Qwen/Qwen2.5-VL-3B": QWEN_RESEARCH,
        "Qwen/Qwen2.5-VL-7B": APACHE_2,
        "Qwen/Qwen2.5-VL-32B": APACHE_2,
        "Qwen/Qwen2.5-VL-72B": QWEN,
    }

    def frozen_tower(self, visual: Any) -> FrozenTower:
        from tally.families.vision_tower.tower import FrozenTower, Windows  # noqa: PLC0415

        return FrozenTower(
            visual,
            windows=Windows(
                side_patches=visual.window_size // visual.patch_size,
                whole_blocks=frozenset(visual.fullatt_block_indexes),
            ),
        )

    def _tower_block(self, vision: Any) -> tuple[int, int]:
        return vision.hidden_size, 3 * vision.hidden_size * vision.intermediate_size


QWEN2_5_VL = Qwen25VL()
