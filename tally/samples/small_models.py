"""A small model of each family with random weights, for tests and measurements.

`python -m tally.samples.small_models MODEL_TYPE FOLDER` writes one. Those of Qwen share the small
policy's tokenizer and the shape of its language model.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.families.qwen2_vl import QWEN2_VL
from tally.samples.small_policy import (
    build_image_processor,
    build_model,
    build_tokenizer,
    placeholder_fields,
    text_fields,
)

_SEED = 7
# Weights as a fresh model has them tell tokens hardly apart: an error would hide in the rounding.
_GAIN = 3.0


@dataclass(frozen=True, kw_only=True)
class SmallModel:
    """A model as transformers builds it, with the tokenizer and image processor of its folder."""

    model: Any
    tokenizer: Any
    image_processor: Any


def save_small_model(model_type: str, folder: Path) -> None:
    """Writes what a model's folder holds; the same weights every time."""
    torch.manual_seed(_SEED)
    small = BUILDERS[model_type]()
    with torch.no_grad():
        for parameter in small.model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(_GAIN)
    for part in (small.model, small.tokenizer, small.image_processor):
        part.save_pretrained(folder)


def _build_qwen2_5_vl() -> SmallModel:
    tokenizer = build_tokenizer()
    return SmallModel(
        model=build_model(tokenizer), tokenizer=tokenizer, image_processor=build_image_processor()
    )


def _build_qwen2_vl() -> SmallModel:
    vision = {"depth": 4, "embed_dim": 64, "hidden_size": 128, "num_heads": 4, "mlp_ratio": 2}
    return _build_qwen(QWEN2_VL.model_type, vision)


def _build_qwen(model_type: str, vision: dict[str, Any]) -> SmallModel:
    tokenizer = build_tokenizer()
    config = AutoConfig.for_model(
        model_type,
        text_config=text_fields(tokenizer),
        vision_config=vision,
        tie_word_embeddings=True,
        **placeholder_fields(tokenizer),
    )
    return SmallModel(
        model=AutoModelForImageTextToText.from_config(config),
        tokenizer=tokenizer,
        image_processor=build_image_processor(),
    )


BUILDERS: dict[str, Callable[[], SmallModel]] = {
    QWEN2_5_VL.model_type: _build_qwen2_5_vl,
    QWEN2_VL.model_type: _build_qwen2_vl,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tally.samples.small_models",
        description="Writes a small model with random weights to a folder.",
    )
    parser.add_argument("model_type", choices=BUILDERS)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    save_small_model(options.model_type, options.folder)


if __name__ == "__main__":
    main()
