"""LoRA in vLLM's CPU build: the tokens of one adapter are multiplied together.

vLLM's reference for CPUs copies an adapter's matrices once for every token, and takes the last
slot's for tokens without an adapter.
"""

from typing import Any

import torch
from torch import Tensor
from vllm.lora.punica_wrapper.punica_cpu import PunicaWrapperCPU


class GroupedLora(PunicaWrapperCPU):
    """Adds `x A B` for the tokens of each adapter in a batch; the others stay as they are."""

    def update_metadata(self, *args: Any, **kwargs: Any) -> None:
        super().update_metadata(*args, **kwargs)
        self._rows_by_slot = rows_by_slot(self.token_lora_indices)

    def add_lora_linear(  # noqa: PLR0917 (vLLM calls it so)
        self,
        y: Tensor,
        x: Tensor,
        lora_a_stacked: tuple[Tensor, ...],
        lora_b_stacked: tuple[Tensor, ...],
        scale: float,
        output_slices: tuple[int, ...],
        **kwargs: Any,
    ) -> None:
        """y [tokens, out] += scale x [tokens, in] A B, in place, slice by slice of `out`.

        `lora_a_stacked`: [slots, 1, rank, in] for each slice; `lora_b_stacked`:
        [slots, 1, slice, rank].
        """
        y_slices = y.split(output_slices, dim=1)
        for slot, rows in self._rows_by_slot.items():
            x_rows = x if rows is None else x[rows]
            for a, b, y_slice in zip(lora_a_stacked, lora_b_stacked, y_slices, strict=True):
                low_rank = x_rows @ a[slot, 0].T
                if rows is None:
                    y_slice.addmm_(low_rank, b[slot, 0].T, alpha=scale)
                else:
                    y_slice.index_add_(0, rows, low_rank @ b[slot, 0].T, alpha=scale)


def rows_by_slot(slots_T: Tensor) -> dict[int, Tensor | None]:
    """[tokens] of slots, -1 for no adapter → the tokens of each slot; None: all of them."""
    slots = slots_T.unique().tolist()
    if len(slots) == 1:
        return {slot: None for slot in slots if slot >= 0}
    return {slot: torch.nonzero(slots_T == slot)[:, 0] for slot in slots if slot >= 0}
