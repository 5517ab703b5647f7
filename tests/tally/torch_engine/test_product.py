"""A product of a few rows is the same whichever way round it is computed."""

import pytest
import torch
from torch.nn import functional

from tally.torch_engine.product import multiply


@pytest.mark.parametrize("bias", [None, torch.arange(1024.0)])
@pytest.mark.parametrize("rows", [(), (1,), (3,), (4,), (2, 4), (48,), (49,)])
def test_it_is_the_linear_layers(rows: tuple[int, ...], bias: torch.Tensor | None):
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn((1024, 1024), generator=generator, dtype=torch.float32)
    x = torch.randn((*rows, 1024), generator=generator)
    product = multiply(x, weight, bias)
    assert product.is_contiguous()
    expected = functional.linear(
        x.double(), weight.double(), None if bias is None else bias.double()
    )
    torch.testing.assert_close(product.double(), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_so_it_is_of_a_small_weight_and_in_another_precision(dtype: torch.dtype):
    x, weight = torch.ones((8, 3), dtype=dtype), torch.full((2, 3), 2.0, dtype=dtype)
    assert multiply(x, weight).tolist() == [[6.0, 6.0]] * 8
