"""LoRA products of vLLM's CPU build, held against a loop over the tokens."""

import pytest
import torch

pytest.importorskip("vllm")

from vllm.lora.layers import LoRAMapping
from vllm.platforms import current_platform

from rollout_service.vllm_engine.cpu_lora import GroupedLora, rows_by_slot

RANK, INPUTS, SLICES = 3, 5, (4, 2)


def test_vllm_takes_our_products_on_a_cpu():
    assert current_platform.is_cpu()
    assert current_platform.get_punica_wrapper().endswith(GroupedLora.__name__)


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        ([1, 1], {1: None}),
        ([-1, -1], {}),
        ([0, -1, 1, 0], {0: [0, 3], 1: [2]}),
    ],
)
def test_rows_by_slot(slots, expected):
    rows = rows_by_slot(torch.tensor(slots))
    assert {s: r if r is None else r.tolist() for s, r in rows.items()} == expected


@pytest.mark.parametrize("is_prefill", [True, False])
@pytest.mark.parametrize("ids", [(7, 7, 7), (7, 0, 9), (0, 0, 0), (9, 7, 9)])
def test_each_token_gets_its_own_adapter(ids, is_prefill):
    """`ids` name the tokens' adapters, 0 none; slot 0 holds adapter 7, slot 1 adapter 9."""
    torch.manual_seed(0)
    lora_a = tuple(torch.randn(2, 1, RANK, INPUTS) for _ in SLICES)
    lora_b = tuple(torch.randn(2, 1, size, RANK) for size in SLICES)
    x, y = torch.randn(len(ids), INPUTS), torch.randn(len(ids), sum(SLICES))
    expected = y.clone()
    for token, adapter in enumerate(ids):
        if adapter:
            slot = (7, 9).index(adapter)
            changes = [
                b[slot, 0] @ (a[slot, 0] @ x[token]) for a, b in zip(lora_a, lora_b, strict=True)
            ]
            expected[token] += 0.5 * torch.cat(changes)
    wrapper = GroupedLora(8, 8, "cpu")
    wrapper.update_metadata(LoRAMapping(ids, ids, is_prefill=is_prefill), [7, 9], 2, 100)
    wrapper.add_lora_linear(y, x, lora_a, lora_b, 0.5, SLICES)
    torch.testing.assert_close(y, expected)
