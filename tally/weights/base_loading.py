"""A frozen base model as its configuration and files make it, in full precision or in 4 bits."""

import contextlib
import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, GenerationConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from tally.families.family import Family
from tally.host.allocator import large_blocks_apart
from tally.weights.checkpoint import Checkpoint, find_checkpoint
from tally.weights.kept_bases import KeptBases
from tally.weights.safetensors_file import StoredTensor

# Counted up when what is kept would be read otherwise.
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class BaseLoading:
    """`source` is a folder or a hub name; `attention` is transformers' attn_implementation.

    With `use_4bit` the layers that an adapter goes on are held in NF4, all else in `dtype`; what
    was quantised once is kept in `kept`.
    """

    source: str
    device: str
    dtype: torch.dtype
    use_4bit: bool
    attention: str | dict[str, str] = "sdpa"
    kept: KeptBases | None = None

    def load(self, family: Family) -> Any:
        """transformers' model in evaluation mode, with nothing to train.

        While it is loaded it takes what it holds in the end, and about one tensor more. Raises
        OSError where there are no files.
        """
        checkpoint = find_checkpoint(self.source)
        with large_blocks_apart():
            return self._load(checkpoint, family)

    def load_as_stored(self) -> Any:
        """As `load`, but on the CPU and in the precision of the files, so that nothing is copied:
        weights are pages of the files until something is made of them. Not in 4 bits.
        """
        tensors = find_checkpoint(self.source).tensors()
        return replace(self, device="cpu", dtype=_most_frequent_dtype(tensors))._build(tensors)

    def _load(self, checkpoint: Checkpoint, family: Family) -> Any:
        if not self.use_4bit:
            return self._build(checkpoint.tensors())
        # Here, since it brings bitsandbytes.
        from tally.weights import nf4_packing  # noqa: PLC0415

        nf4_packing.install()
        if self.kept is None:
            return self._build(checkpoint.tensors(), quantization_config=family.nf4(self.dtype))
        return self._load_kept(self.kept, checkpoint, family)

    def _load_kept(self, kept: KeptBases, checkpoint: Checkpoint, family: Family) -> Any:
        fingerprint = self._fingerprint(checkpoint, family)
        tensors = kept.find(fingerprint)
        if tensors is None:
            with kept.hold():
                tensors = kept.find(fingerprint)  # by whoever was waited for
                if tensors is None:
                    return self._quantise(kept, fingerprint, checkpoint, family)
        return self._build(tensors, quantised_by=family.nf4(self.dtype))

    def _quantise(
        self, kept: KeptBases, fingerprint: str, checkpoint: Checkpoint, family: Family
    ) -> Any:
        stored = checkpoint.tensors()
        model = self._build(stored, quantization_config=family.nf4(self.dtype))
        kept.keep(fingerprint, _keepable(model, stored))
        return model

    def _build(
        self, tensors: Mapping[str, StoredTensor], *, quantised_by: Any = None, **options: Any
    ) -> Any:
        """transformers' own loading, over tensors that are read one by one.

        `quantised_by`: how they were quantised before.
        """
        config = AutoConfig.from_pretrained(self.source)
        if quantised_by is not None:
            config.quantization_config = quantised_by.to_dict()
        model_class: Any = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)]
        model = model_class.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            dtype=self.dtype,
            attn_implementation=self.attention,
            device_map={"": self.device},
            **options,
        )
        # PEFT writes it into an adapter's configuration.
        model.name_or_path = model.config.name_or_path = self.source
        with contextlib.suppress(OSError):  # a model may come without one
            model.generation_config = GenerationConfig.from_pretrained(self.source)
        return model.requires_grad_(False)

    def _fingerprint(self, checkpoint: Checkpoint, family: Family) -> str:
        """Another for every other set of weights that would be held."""
        facts = {
            "format": _FORMAT,
            "files": checkpoint.fingerprint(),
            "config": AutoConfig.from_pretrained(self.source).to_json_string(),
            "dtype": str(self.dtype),
            "quantisation": family.nf4(self.dtype).to_dict(),
            "versions": [version("bitsandbytes"), version("transformers")],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _most_frequent_dtype(tensors: Mapping[str, StoredTensor]) -> torch.dtype:
    numbers: Counter[torch.dtype] = Counter()
    for tensor in tensors.values():
        if tensor.dtype.is_floating_point:
            numbers[tensor.dtype] += math.prod(tensor.shape)
    [(dtype, _)] = numbers.most_common(1)
    return dtype


def _keepable(
    model: nn.Module, stored: Mapping[str, StoredTensor]
) -> dict[str, tuple[Tensor, torch.dtype]]:
    """What `model` holds, each once, beside the dtype to keep it in.

    Numbers that came in bfloat16 and are held in float32 go back without loss.
    """
    came_in = {one.dtype for one in stored.values() if one.dtype.is_floating_point}
    parameters = {name for name, held in model.named_parameters() if held.is_floating_point()}
    keepable, seen = {}, set()
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() in seen:  # the head, where it is the embeddings
            continue
        seen.add(tensor.data_ptr())
        shortens = name in parameters and came_in == {torch.bfloat16}
        keepable[name] = (tensor, torch.bfloat16 if shortens else tensor.dtype)
    return keepable
