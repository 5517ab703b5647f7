"""Packing in blocks: bitsandbytes' own bits."""

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from torch import Tensor

from tally.weights import nf4_packing

SEVERAL_PARTS = (3 * nf4_packing._WEIGHTS_AT_ONCE // 256 + 5, 256)


def bitsandbytes_own(weights: Tensor) -> tuple[Tensor, Tensor]:
    own = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)
    operator = torch.ops.bitsandbytes.quantize_4bit.default
    return operator.redispatch(own, weights, 64, "nf4", torch.uint8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 64), (128, 128), SEVERAL_PARTS])
def test_the_bits_are_those_of_bitsandbytes(shape: tuple[int, int], dtype: torch.dtype):
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(4)).to(dtype)
    weights[0, :64] = 0
    for ours, theirs in zip(nf4_packing.pack(weights), bitsandbytes_own(weights), strict=True):
        assert torch.equal(ours, theirs)


def test_a_block_by_hand():
    weights = torch.zeros(1, 64)
    weights[0, :4] = torch.tensor([-2.0, 2.0, 1.0, 0.1])
    packed, scales = nf4_packing.pack(weights)
    assert scales.tolist() == [2.0]
    # -1 is the first value of NF4, 1 the last, 0 the eighth; 0.5 and 0.05 are nearest to these.
    codes = [0, 15, 12, 8]
    assert packed[:2, 0].tolist() == [codes[0] << 4 | codes[1], codes[2] << 4 | codes[3]]
    assert packed[2:, 0].unique().tolist() == [7 << 4 | 7]


@pytest.mark.parametrize("shape", [(6, 128), (3, 10)])
def test_bitsandbytes_packs_with_it_once_installed(shape: tuple[int, int]):
    """A matrix that isn't of whole blocks is left to bitsandbytes."""
    weights = torch.randn(shape)
    nf4_packing.install()
    nf4_packing.install()
    packed, state = quantize_4bit(weights, quant_type="nf4")
    expected_packed, expected_scales = bitsandbytes_own(weights)
    assert torch.equal(packed, expected_packed)
    assert torch.equal(state.absmax, expected_scales)
    assert (dequantize_4bit(packed, state) - weights).abs().max() < 0.5
