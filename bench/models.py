"""Policies to measure on: Qwen2.5-VLs of any shape with random weights, the small policy's tokens.

A folder that `write_policy` made is read by Tally, by TRL and by vLLM alike.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from tally import torch_compat

torch_compat.install()

from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2Tokenizer  # noqa: E402

from bench.random_weights import index_path, write_weights  # noqa: E402
from tally.samples.small_policy import (  # noqa: E402
    POLICY_PATH,
    build_image_processor,
    build_model,
    build_tokenizer,
)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A language model and a vision tower; the sizes are those of transformers' configuration.

    `vocab_size` 0 means as many entries as the small policy's tokenizer has.
    """

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    key_value_heads: int
    vision_hidden_size: int
    vision_intermediate_size: int
    vision_layers: int
    vision_heads: int
    vocab_size: int = 0


SHAPES = {
    # The shape of tally/samples/counting_policy, 1.8 M parameters.
    "small": Shape(
        hidden_size=128,
        intermediate_size=384,
        layers=4,
        heads=4,
        key_value_heads=2,
        vision_hidden_size=128,
        vision_intermediate_size=256,
        vision_layers=4,
        vision_heads=4,
    ),
    # Large enough that matrix products decide, small enough for a CPU.
    "medium": Shape(
        hidden_size=1024,
        intermediate_size=2816,
        layers=12,
        heads=16,
        key_value_heads=4,
        vision_hidden_size=512,
        vision_intermediate_size=1024,
        vision_layers=8,
        vision_heads=8,
        vocab_size=32_000,
    ),
    # Qwen/Qwen2.5-VL-3B-Instruct.
    "3b": Shape(
        hidden_size=2048,
        intermediate_size=11008,
        layers=36,
        heads=16,
        key_value_heads=2,
        vision_hidden_size=1280,
        vision_intermediate_size=3420,
        vision_layers=32,
        vision_heads=16,
        vocab_size=151_936,
    ),
}


def write_policy(
    shape: Shape,
    folder: Path,
    seed: int = 7,
    dtype: str = "float32",
    tokenizer: Qwen2Tokenizer | None = None,
) -> Path:
    """Writes model (random weights), tokenizer and image processor; returns the folder.

    A folder that is whole is left as it is. The tokenizer is the small policy's if None.
    """
    if index_path(folder).exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer or build_tokenizer()
    config = _build_config(shape, tokenizer)
    config.dtype = dtype
    config.save_pretrained(folder)
    GenerationConfig.from_model_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    build_image_processor().save_pretrained(folder)
    write_weights(config, folder, seed=seed, dtype=getattr(torch, dtype))
    return folder


def policy_folder(name: str, folder: Path, dtype: str = "float32") -> Path:
    """`counting`: the small policy that can count; otherwise one of SHAPES, written to `folder`."""
    return POLICY_PATH if name == "counting" else write_policy(SHAPES[name], folder, dtype=dtype)


def _build_config(shape: Shape, tokenizer: Qwen2Tokenizer) -> Qwen2_5_VLConfig:
    """The small policy's configuration in another shape, with the token ids of `tokenizer`."""
    with torch.device("meta"):
        fields = build_model(tokenizer).config.to_dict()
    fields["architectures"] = ["Qwen2_5_VLForConditionalGeneration"]
    head_size = shape.hidden_size // shape.heads
    # Qwen shares half a head's frequencies out 2 : 3 : 3 to time, height and width.
    spatial = head_size // 2 * 3 // 8
    fields["text_config"] |= {
        "vocab_size": max(shape.vocab_size, len(tokenizer)),
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads,
        "layer_types": ["full_attention"] * shape.layers,
        "max_window_layers": shape.layers,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [head_size // 2 - 2 * spatial, spatial, spatial],
        },
    }
    fields["vision_config"] |= {
        "depth": shape.vision_layers,
        "hidden_size": shape.vision_hidden_size,
        "intermediate_size": shape.vision_intermediate_size,
        "num_heads": shape.vision_heads,
        "out_hidden_size": shape.hidden_size,
        "fullatt_block_indexes": _whole_blocks(shape.vision_layers),
    }
    return Qwen2_5_VLConfig.from_dict(fields)


def _whole_blocks(vision_layers: int) -> list[int]:
    """Blocks that attend to all of an image: every eighth of Qwen's 32, every other of a few."""
    every = 8 if vision_layers >= 32 else 2
    return list(range(every - 1, vision_layers, every))
