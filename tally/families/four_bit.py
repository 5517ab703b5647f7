"""Weights in 4 bits: NF4 (QLoRA, arXiv 2305.14314), as bitsandbytes holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig

# Half a byte, and a float32 scale for each 64 weights.
NF4_BYTES = 0.5 + 4 / 64


def nf4_config(dtype: torch.dtype, *, kept: Sequence[str]) -> BitsAndBytesConfig:
    """All linear layers in NF4 but those under a module named in `kept`; products in `dtype`."""
    from transformers import BitsAndBytesConfig  # noqa: PLC0415 - it brings torch

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(kept),
    )
