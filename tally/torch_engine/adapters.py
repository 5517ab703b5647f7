"""The adapters that are held, by digest; the least recently used one goes first."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from tally.host.bounded_cache import BoundedCache
from tally.host.lookups import Lookups
from tally.sampling.adapter_file import LoraWeights, read_adapter
from tally.sampling.engine import LocalBlob
from tally.torch_engine.projection import Lora, Projection


class ResidentAdapters:
    """At most `max_resident` adapters; one of them, or none, is active in `projections`."""

    def __init__(
        self,
        layers: Mapping[str, nn.Linear],
        projections: Sequence[Projection],
        device: torch.device,
        *,
        max_resident: int,
        max_rank: int,
    ) -> None:
        self._layers = layers
        self._projections = projections
        self._device = device
        self._max_rank = max_rank
        self._held = BoundedCache[str, list[Lora | None]](max_resident)
        self._active = ""
        self.lookups = Lookups()

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(self._held)

    @torch.inference_mode()
    def activate(self, adapter: LocalBlob | None) -> None:
        """Samples come from `adapter` from now on, from the base model if None.

        Raises BadAdapter; the active adapter is then the one before.
        """
        digest = adapter.digest if adapter else ""
        if adapter:
            self.lookups.note(digest in self._held)
        if adapter and digest not in self._held:
            weights = read_adapter(adapter.path, self._layers, self._max_rank)
            self._held.make_room(1)  # before there is one more on the device
            self._held[digest] = [self._lora(weights, one) for one in self._projections]
        changes = self._held.get(digest)
        if digest == self._active:
            return
        changes = changes or [None] * len(self._projections)
        for projection, lora in zip(self._projections, changes, strict=True):
            projection.adapt(lora)
        self._active = digest

    def _lora(self, weights: LoraWeights, projection: Projection) -> Lora | None:
        """The adapter's part for `projection`: its layers' ranks side by side, each to its own."""
        rank = weights.structure.rank
        adapted = [name for name in projection.names if name in weights.a_by_module]
        if not adapted:
            return None
        a = torch.cat([weights.a_by_module[name] for name in adapted]).float()
        b = a.new_zeros((sum(projection.out_features), len(a)))
        columns = iter(range(0, len(a), rank))
        for name, rows in zip(projection.names, b.split(projection.out_features), strict=True):
            if name in adapted:
                first = next(columns)
                rows[:, first : first + rank] = weights.b_by_module[name]
        b *= weights.structure.alpha / rank
        return Lora(a=a.to(self._device), b=b.to(self._device))
