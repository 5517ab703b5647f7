"""Attention over packed groups against one dense mask over the whole sequence."""

import torch
from torch.nn.functional import scaled_dot_product_attention

from learner_service.policy.attention import PackedAttention
from learner_service.policy.packing import GroupSpan

SPANS = (
    GroupSpan(start=0, prompt_end=5, parents=(-1, 0, 0, -1, 3)),
    GroupSpan(start=10, prompt_end=13, parents=()),
    GroupSpan(start=13, prompt_end=14, parents=(-1, 0, 1, 0)),
)


def dense_mask() -> torch.Tensor:
    """By the rule itself, place by place: [18, 18]."""
    visible = torch.zeros(18, 18, dtype=torch.bool)
    for span in SPANS:
        for query in range(span.start, span.end):
            visible[query, span.start : min(span.prompt_end, query + 1)] = True
            token = query - span.prompt_end
            while token >= 0:
                visible[query, span.prompt_end + token] = True
                token = span.parents[token]
    return visible


def random_inputs() -> tuple[list[torch.Tensor], torch.Tensor]:
    """Query, key and value that want gradients, and the gradient of the output."""
    generator = torch.Generator().manual_seed(1)
    query, gradient = torch.randn(2, 1, 4, 18, 8, generator=generator)
    key, value = torch.randn(2, 1, 2, 18, 8, generator=generator)
    return [tensor.requires_grad_() for tensor in (query, key, value)], gradient


def dense(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return scaled_dot_product_attention(
        query,
        key.repeat_interleave(2, dim=1),
        value.repeat_interleave(2, dim=1),
        attn_mask=dense_mask(),
        scale=0.3,
    )


def test_equal_to_a_dense_mask_forward_and_backward():
    inputs, gradient = random_inputs()
    packed, expected = PackedAttention(SPANS, torch.device("cpu"))(*inputs, 0.3), dense(*inputs)
    torch.testing.assert_close(packed, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        torch.autograd.grad(packed, inputs, gradient),
        torch.autograd.grad(expected, inputs, gradient),
        atol=1e-5,
        rtol=1e-5,
    )


def test_predicting_positions_alone_give_the_same():
    (query, key, value), _ = random_inputs()
    attention = PackedAttention(SPANS, torch.device("cpu"))
    rows = attention.predicting
    assert rows.tolist() == [*range(4, 10), 12, *range(13, 18)]
    alone = attention.at_predicting(query[:, :, rows], key, value, 0.3)
    torch.testing.assert_close(alone, dense(query, key, value)[:, :, rows], atol=1e-6, rtol=1e-5)
