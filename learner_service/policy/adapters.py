"""The adapter as a blob: one safetensors file, its PEFT configuration in the metadata."""

import errno
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from learner_service.blobs.blob_store import BlobStore
from learner_service.job_folder.published_adapters import PublishedAdapters
from tally.host.full_disk import is_full_disk
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


class AdapterPublisher:
    """Puts the adapter into the blob store and lets this job's earlier ones go.

    The last `kept` stay: rollouts that are on their way may need them. One that another job has
    published too, as a job does that goes on from it, stays for that job.
    """

    def __init__(
        self,
        store: BlobStore,
        published: PublishedAdapters,
        kept: int = 2,
        write: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Within `write()` this publisher may change what is published, or is told why not."""
        self._layers: tuple[PeftModel, dict[str, nn.Linear]] | None = None
        self._store = store
        self._published = published
        self._kept = kept
        self._write = write

    def publish(self, model: PeftModel) -> str:
        """Returns the adapter's digest; equal weights give equal bytes.

        Nothing waits for the disk: an adapter lives for a step or two, and after a failure of the
        machine the next worker publishes it anew.
        """
        with self._store.stage() as path:
            self._save(model, path)
            return self._make_known(path)

    def publish_file(self, saved: Path) -> str:
        """As `publish`, of an adapter that was published before and saved since."""
        with self._store.stage() as path:
            shutil.copyfile(saved, path)
            return self._make_known(path)

    def path(self, digest: str) -> Path:
        """The file of one that stays; raises UnknownBlob."""
        return self._store.path(digest)

    def _make_known(self, staged: Path) -> str:
        digest = digest_of_file(staged)
        with self._write():
            self._published.add(digest)
            self._store.claim(digest, self._published.owner)
            self._store.keep(staged, digest)
            self._let_go(self._published.digests()[: -self._kept])
        return digest

    def _let_go(self, old: Sequence[str]) -> None:
        for one in old:
            self._store.release(one, self._published.owner)
        if old:
            self._published.forget(old)

    def _save(self, model: PeftModel, path: Path) -> None:
        """Streams the tensors to the file; they are never in memory a second time."""
        if self._layers is None or self._layers[0] is not model:
            self._layers = model, adapter_layers(model)
        tensors = adapter_tensors(self._layers[1], cast(torch.dtype, model.get_base_model().dtype))
        try:
            save_file(tensors, path, metadata=adapter_metadata(model))
        except SafetensorError as error:  # of a full disk it has only the words
            if is_full_disk(error):
                raise OSError(errno.ENOSPC, str(error)) from error
            raise
