"""The adapters that are in the model now, by digest; the least recently used one goes first.

An adapter changes at every training step, and PEFT takes long to wrap a model's layers. So the
layers are wrapped once per structure: an adapter that comes in writes its weights over those of
the one that goes.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor

from rollout_service.adapter_file import (
    LoraStructure,
    LoraWeights,
    adaptable_layers,
    read_adapter,
)
from rollout_service.engine import LocalBlob
from rollout_service.model_family import LoadedModel


@dataclass(frozen=True, kw_only=True)
class _Slot:
    """A place in the wrapped layers, under PEFT's adapter name `name`."""

    name: str
    structure: LoraStructure
    a_by_module: dict[str, Tensor]
    b_by_module: dict[str, Tensor]


class ResidentAdapters:
    """At most `max_resident` adapters; one of them, or none, is active."""

    def __init__(self, loaded: LoadedModel, max_resident: int, max_rank: int) -> None:
        self._model = loaded.model
        self._layers = adaptable_layers(loaded.model)
        self._max_resident = max_resident
        self._max_rank = max_rank
        self._peft: PeftModel | None = None
        self._slots: OrderedDict[str, _Slot] = OrderedDict()  # by digest, oldest use first
        self._wrapped: dict[str, LoraLayer] = {}
        self._made = 0
        self._active: str | None = ""  # a slot's name; None while the layers may disagree

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(self._slots)

    def activate(self, adapter: LocalBlob | None) -> None:
        """Samples come from `adapter` from now on, from the base model if None.

        Raises BadAdapter; the active adapter is then the one before.
        """
        if adapter is None:
            self._switch("")
            return
        if adapter.digest not in self._slots:
            weights = read_adapter(adapter.path, self._layers, self._max_rank)
            self._slots[adapter.digest] = self._filled_slot(weights)
        self._slots.move_to_end(adapter.digest)
        self._switch(self._slots[adapter.digest].name)

    def _switch(self, name: str) -> None:
        """PEFT's own switch walks the whole model; only the wrapped layers matter."""
        if name == self._active:
            return
        for layer in self._wrapped.values():
            if not name:
                layer.enable_adapters(False)
                continue
            if layer.disable_adapters:
                layer.enable_adapters(True)
            layer.set_adapter(name, inference_mode=True)
        self._active = name

    @torch.no_grad()
    def _filled_slot(self, weights: LoraWeights) -> _Slot:
        slot = self._freed_slot(weights.structure) or self._new_slot(weights.structure)
        for module in weights.structure.modules:
            slot.a_by_module[module].copy_(weights.a_by_module[module])
            slot.b_by_module[module].copy_(weights.b_by_module[module])
        return slot

    def _freed_slot(self, structure: LoraStructure) -> _Slot | None:
        """The oldest adapter's slot if the model is full; None where it has another structure."""
        if len(self._slots) < self._max_resident:
            return None
        _, slot = self._slots.popitem(last=False)
        if slot.structure == structure:
            return slot
        self._switch("")
        self._peft.delete_adapter(slot.name)
        return None

    def _new_slot(self, structure: LoraStructure) -> _Slot:
        name = f"slot{self._made}"
        self._made += 1
        config = LoraConfig(
            r=structure.rank,
            lora_alpha=structure.alpha,
            target_modules=list(structure.modules),
            lora_dropout=0.0,
            bias="none",
            init_lora_weights=False,
            inference_mode=True,
        )
        self._active = None
        if self._peft is None:
            self._peft = get_peft_model(self._model, config, adapter_name=name)
        else:
            self._peft.add_adapter(name, config)
        self._model.eval()
        wrapped = {module: self._model.get_submodule(module) for module in structure.modules}
        self._wrapped |= wrapped
        return _Slot(
            name=name,
            structure=structure,
            a_by_module={m: layer.lora_A[name].weight for m, layer in wrapped.items()},
            b_by_module={m: layer.lora_B[name].weight for m, layer in wrapped.items()},
        )
