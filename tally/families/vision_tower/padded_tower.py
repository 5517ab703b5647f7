"""Padded images → image tokens, by transformers' own tower and projector."""

from typing import Any

import torch
from torch import Tensor, nn

from tally.families.vision import VisionTower
from tally.families.vision_tower.padded_images import PaddedImages


class TowerAndProjector(nn.Module):
    """What of `model` makes image tokens, as one module; `config` is that of the whole model."""

    def __init__(self, model: Any, config: Any) -> None:
        super().__init__()
        self.tower = model.vision_tower
        self.projector = model.multi_modal_projector
        self.config = config
        self._features = model.get_image_features

    def forward(self, pixel_values: Tensor, pixel_mask: Tensor) -> Tensor:
        """[N, 3, S, S] and [N, S, S] of images of one side → [N, image tokens, H]."""
        layer = self.config.vision_feature_layer
        outputs = self._features(pixel_values, pixel_mask, vision_feature_layer=layer)
        tokens: Tensor = outputs.pooler_output
        return tokens


class PaddedTower(VisionTower):
    """One image after another: a square has patches enough to fill the products."""

    def __init__(self, visual: TowerAndProjector) -> None:
        self._visual = visual
        self._weight = next(visual.tower.parameters())

    @property
    def hidden_size(self) -> int:
        return int(self._visual.config.vision_config.hidden_size)

    @torch.no_grad()
    def __call__(self, images: PaddedImages) -> list[Tensor]:
        """The features of N images, [image tokens, H] each, on the tower's device."""
        return [
            self._visual(pixels[None].to(self._weight), mask[None])[0]
            for pixels, mask in zip(images.pixel_values, images.pixel_masks, strict=True)
        ]
