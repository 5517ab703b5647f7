"""Weights in 4 bits: NF4 (QLoRA, arXiv 2305.14314), as bitsandbytes holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig

# Half a byte, and a float32 scale for each 64 weights.
NF4_BYTES = 0.5 + 4 / 64


def nf4_config(dtype: torch.dtype, *, layers: str) -> BitsAndBytesConfig:
    """Linear layers whose whole name fits the pattern `layers` in NF4; products in `dtype`."""
    from transformers import BitsAndBytesConfig  # noqa: PLC0415 - it brings torch

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        # transformers asks for the layers to leave out, as patterns of how their names begin.
        llm_int8_skip_modules=[rf"(?!{layers}$)"],
    )
