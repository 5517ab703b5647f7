"""The frozen base in parts: each process of a job holds its own of every decoder layer.

torch's FSDP2 puts a layer together before its forward pass and again before its backward pass, and
lets go of it after each. All processes do so in the same order: one that has no pass while others
have takes part all the same. The adapter is put onto the layers afterwards, whole on each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from learner_service.ranks import Ranks


@dataclass(frozen=True, kw_only=True)
class ShardedLayers:
    """Decoder layers in their order, of each of which this process holds its rows."""

    layers: Sequence[FSDPModule]

    def join(self, *, forward_passes: int) -> None:
        """Takes part in others' forward passes over all layers, and in the backward of one."""
        for _ in range(forward_passes):
            _put_together(self.layers)
        _put_together(self.layers[::-1])


def shard(
    model: nn.Module,
    layers: Iterable[nn.Module],
    ranks: Ranks,
    *,
    device: torch.device,
    dtype: torch.dtype,
) -> ShardedLayers:
    """Brings `model` onto the device, its `layers` in parts: one at a time is there as a whole."""
    # By this name PEFT knows layers that are in parts and computed as a whole.
    mesh = DeviceMesh.from_group(ranks.open_default_group(), device.type, mesh_dim_names=("fsdp",))
    sharded = []
    for layer in layers:
        _move(layer, device, dtype)
        sharded.append(fully_shard(layer, mesh=mesh, reshard_after_forward=True))
        # Its base class is not public.
        sharded[-1].set_custom_all_gather(_AllGather(ranks))  # type: ignore[arg-type]
    _move(model, device, dtype)
    return ShardedLayers(layers=sharded)


class _AllGather:
    """FSDP2's way of communicating, through the job's ranks: a wait ends where one is lost."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks

    def allocate(self, size: Sequence[int], *, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.empty(*size, dtype=dtype, device=device)

    def __call__(
        self, output_tensor: Tensor, input_tensor: Tensor, group: object, async_op: bool = False
    ) -> None:
        self._ranks.gather_into(output_tensor, input_tensor)


def _move(module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Buffers keep their precision, as when transformers loads; what is in parts is there."""
    for parameter in module.parameters():
        if not isinstance(parameter, DTensor):
            parameter.data = parameter.data.to(device, dtype)
    for buffer in module.buffers():
        buffer.data = buffer.data.to(device)


def _put_together(layers: Iterable[FSDPModule]) -> None:
    for layer in layers:
        layer.unshard()
        layer.reshard()
