"""An adapter as a file of safetensors, written at every step.

What the library's own function looks at in each tensor costs more than the writing: of one adapter
names, shapes and places stay, and are put down once.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
_ALIGNMENT = 8
# Small tensors go to the disk together, a large one without a copy.
_BUFFER_BYTES = 1024**2


class AdapterFile:
    """Of tensors that look like `tensors`: in their order, which is that of their names."""

    def __init__(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        self._beginning = _beginning(tensors, metadata)

    def write(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        """Raises OSError."""
        with path.open("wb", buffering=_BUFFER_BYTES) as file:
            file.write(self._beginning)
            for tensor in tensors.values():
                file.write(tensor.flatten().view(torch.uint8).numpy().data)


def _beginning(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The length of what follows, in 8 bytes, and JSON that says where each tensor lies."""
    fields: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.nbytes
        fields[name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
