"""The adapter as a blob: one safetensors file, its PEFT configuration in the metadata."""

import json
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from learner_service.blobs.blob_store import BlobStore
from rpc.digests import digest_of_file
from rpc.errors import ResourceExhausted

_FULL_DISK = ("No space left on device", "quota exceeded")


def adapter_tensors(model: PeftModel) -> dict[str, Tensor]:
    """The adapter's weights under PEFT's keys, in main memory; those that are there, not copied.

    PEFT trains a bfloat16 model's adapter in float32; engines run it in bfloat16, so it travels
    in that.
    """
    served = torch.bfloat16 if model.get_base_model().dtype == torch.bfloat16 else None
    return {
        name: tensor.detach().to(dtype=served).cpu().contiguous()
        for name, tensor in sorted(get_peft_model_state_dict(model).items())
    }


def adapter_metadata(model: PeftModel) -> dict[str, str]:
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
    return {"adapter_config": json.dumps(fields, sort_keys=True)}


class AdapterPublisher:
    """Puts the adapter into the blob store and removes this job's earlier ones.

    `ledger` is a file that names what is published, so that a worker that was killed leaves
    nothing behind that the next one does not remove. The last `kept` stay: rollouts that are on
    their way may need them.
    """

    def __init__(self, store: BlobStore, ledger: Path, kept: int = 2) -> None:
        self._store = store
        self._ledger = ledger
        self._kept = kept

    def publish(self, model: PeftModel) -> str:
        """Returns the adapter's digest; equal weights give equal bytes.

        Nothing waits for the disk: an adapter lives for a step or two, and after a failure of the
        machine the next worker publishes it anew.
        """
        with self._store.stage() as path:
            _save(model, path)
            digest = digest_of_file(path)
            published = [d for d in self._published() if d != digest] + [digest]
            self._ledger.write_text("\n".join(published))
            self._store.keep(path, digest)
        for old in published[: -self._kept]:
            self._store.delete(old)
        self._ledger.write_text("\n".join(published[-self._kept :]))
        return digest

    def _published(self) -> list[str]:
        return self._ledger.read_text().split() if self._ledger.exists() else []


def _save(model: PeftModel, path: Path) -> None:
    """Streams the tensors to the file; they are never in memory a second time."""
    try:
        save_file(adapter_tensors(model), path, metadata=adapter_metadata(model))
    except SafetensorError as error:  # of a full disk it has only the words
        if any(words in str(error) for words in _FULL_DISK):
            raise ResourceExhausted("no room on the learner's disk; free some and retry") from error
        raise
