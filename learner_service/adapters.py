"""The adapter as a blob: one safetensors file, its PEFT configuration in the metadata."""

import json
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save
from torch import Tensor

from learner_service.blob_store import BlobStore


def adapter_bytes(model: PeftModel) -> bytes:
    """The adapter's weights with PEFT's keys; equal weights give equal bytes."""
    config = model.peft_config[model.active_adapter]
    fields = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": config.r,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout,
        "bias": "none",
        "target_modules": config.target_modules,
    }
    with torch.no_grad():
        tensors: dict[str, Tensor] = {
            name: tensor.detach().cpu().contiguous()
            for name, tensor in sorted(get_peft_model_state_dict(model).items())
        }
    return save(tensors, metadata={"adapter_config": json.dumps(fields, sort_keys=True)})


class AdapterPublisher:
    """Puts the adapter into the blob store and removes this job's earlier ones.

    `ledger` is a file that names what is published, so that a worker that was killed leaves
    nothing behind that the next one does not remove. The last `kept` stay: rollouts that are on
    their way may need them.
    """

    def __init__(self, store: BlobStore, ledger: Path, kept: int) -> None:
        self._store = store
        self._ledger = ledger
        self._kept = kept

    def publish(self, model: PeftModel) -> str:
        """Returns the adapter's digest."""
        digest = self._store.put_bytes(adapter_bytes(model))
        published = [d for d in self._published() if d != digest] + [digest]
        self._ledger.write_text("\n".join(published))
        for old in published[: -self._kept]:
            self._store.delete(old)
        self._ledger.write_text("\n".join(published[-self._kept :]))
        return digest

    def _published(self) -> list[str]:
        return self._ledger.read_text().split() if self._ledger.exists() else []
