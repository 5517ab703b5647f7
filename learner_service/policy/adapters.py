"""The adapter as a blob: one safetensors file, its PEFT configuration in the metadata."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from safetensors import safe_open
from torch import Tensor, nn

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import InvalidAdapter
from learner_service.job_folder.keeper import Keeper
from learner_service.policy.adapter_file import AdapterFile
from tally.rpc.digests import digest_of_file


def adapter_layers(model: PeftModel) -> dict[str, nn.Linear]:
    """The layers whose weights are the adapter, under PEFT's keys, in their order.

    PEFT finds them by way of the state of the whole model, too long a way for every step.
    """
    parts = {
        f"{name}.{part}.weight": getattr(module, part)[model.active_adapter]
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
        for part in ("lora_A", "lora_B")
    }
    return dict(sorted(parts.items()))


def adapter_tensors(layers: Mapping[str, nn.Linear], base_dtype: torch.dtype) -> dict[str, Tensor]:
    """Weights of `adapter_layers`, in main memory; those that are there, not copied.

    PEFT trains a bfloat16 model's adapter in float32; engines run it in bfloat16, so it travels
    in that.
    """
    served = torch.bfloat16 if base_dtype == torch.bfloat16 else None
    return {
        name: layer.weight.detach().to(dtype=served).cpu().contiguous()
        for name, layer in layers.items()
    }


def adapter_metadata(model: PeftModel) -> dict[str, str]:
    config = cast(LoraConfig, model.peft_config[model.active_adapter])
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


def load_adapter(model: PeftModel, path: Path) -> None:
    """Gives the model's adapter the weights in the file. Raises InvalidAdapter where that is of
    other layers or another rank, or holds what is no number."""
    layers = adapter_layers(model)
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        if missing := layers.keys() - names:
            raise InvalidAdapter(f"the adapter has no {min(missing)}; expected all adapted layers")
        if unknown := names - layers.keys():
            raise InvalidAdapter(
                f"the adapter has {min(unknown)!r:.200}, which is not adapted here"
            )
        for name, layer in layers.items():
            weight, own = file.get_tensor(name), layer.weight
            if weight.shape != own.shape:
                shapes = f"{list(weight.shape)}; expected {list(own.shape)}"
                raise InvalidAdapter(f"the adapter's {name} is {shapes}")
            if not torch.isfinite(weight).all():
                raise InvalidAdapter(f"the adapter's {name} holds NaN or infinity")
            own.data.copy_(weight)


class AdapterPublisher:
    """Puts the adapter into the blob store and lets its own earlier ones go.

    The last `kept` stay: rollouts that are on their way may need them.
    """

    def __init__(
        self,
        store: BlobStore,
        kept: int = 2,
        keeper: Keeper | None = None,
        *,
        inside: bool = False,
    ) -> None:
        """`keeper` lets others have what is published, or says why not. `inside`: this process
        samples by itself, so that nobody else needs the adapter of every step."""
        self._written: _Written | None = None
        self._store = store
        self._digests: list[str] = []  # the oldest first
        self._kept = kept
        self._keeper = keeper or Keeper()
        self._inside = inside

    def publish(self, model: PeftModel) -> str:
        """Returns the adapter's digest; equal weights give equal bytes.

        Nothing waits for the disk: an adapter lives for a step or two, and after a failure of the
        machine the next worker publishes it anew.
        """
        with self._store.stage() as path:
            self._save(model, path)
            return self._make_known(path)

    def publish_for_step(self, model: PeftModel) -> str:
        """As `publish`, to those who sample: others learn of it only where they do."""
        with self._store.stage() as path:
            self._save(model, path)
            return self._make_known(path, to_all=not self._inside)

    def publish_for_checkpoint(self, model: PeftModel) -> None:
        """Lets those have it who were not told of the steps."""
        if self._inside:
            self.publish(model)

    def publish_file(self, saved: Path) -> str:
        """As `publish_for_step`, of an adapter that was published before and saved since."""
        with self._store.stage() as path:
            shutil.copyfile(saved, path)
            return self._make_known(path, to_all=not self._inside)

    def path(self, digest: str) -> Path:
        """The file of one that stays; raises UnknownBlob."""
        return self._store.path(digest)

    def _make_known(self, staged: Path, *, to_all: bool = True) -> str:
        digest = digest_of_file(staged)
        self._store.keep(staged, digest)
        self._digests = [*(one for one in self._digests if one != digest), digest]
        if to_all:
            self._keeper.publish(self._store.path(digest), digest, self._kept)
        for old in self._digests[: -self._kept]:
            self._store.delete(old)
        self._digests = self._digests[-self._kept :]
        return digest

    def _save(self, model: PeftModel, path: Path) -> None:
        """Streams the tensors to the file; they are never in memory a second time."""
        if self._written is None or self._written.model is not model:
            self._written = _Written(model)
        self._written.write(path)


class _Written:
    """What of a model's adapter stays the same from step to step."""

    def __init__(self, model: PeftModel) -> None:
        self.model = model
        self._layers = adapter_layers(model)
        self._dtype = cast(torch.dtype, model.get_base_model().dtype)
        self._file = AdapterFile(self._tensors(), adapter_metadata(model))

    def write(self, path: Path) -> None:
        self._file.write(path, self._tensors())

    def _tensors(self) -> dict[str, Tensor]:
        return adapter_tensors(self._layers, self._dtype)
