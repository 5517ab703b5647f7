"""safetensors files a tensor at a time, so that neither reading nor writing holds a whole one.

The format (github.com/huggingface/safetensors): the header's length in 8 bytes, little-endian; the
header, JSON with type, shape and place of every tensor; the tensors.
"""

import json
import math
import mmap
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_ALIGNMENT = 64
# Written from a copy of so many numbers at a time.
_NUMBERS_AT_ONCE = 2**22
_CHUNK_BYTES = 1024**2
_CHECKSUM = "crc32"


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A tensor where it lies: `[...]` reads it, as transformers asks of a lazy checkpoint.

    What is read is a view of the file's pages, which processes share until one writes, and which
    go with the view.
    """

    path: Path
    type_name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def dtype(self) -> torch.dtype:
        return _TYPES[self.type_name]

    def get_dtype(self) -> str:
        return self.type_name

    def get_shape(self) -> list[int]:
        return list(self.shape)

    def __getitem__(self, _: object) -> Tensor:
        numbers = math.prod(self.shape)
        if not numbers:
            return torch.empty(self.shape, dtype=self.dtype)
        start = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
        length = self.offset - start + numbers * self.dtype.itemsize
        with self.path.open("rb") as file:
            pages = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_COPY, offset=start)
        flat = torch.frombuffer(pages, dtype=self.dtype, count=numbers, offset=self.offset - start)
        return flat.view(self.shape)


def read_tensors(path: Path) -> dict[str, StoredTensor]:
    """Every tensor of a file by its name, none of them read. Raises ValueError, OSError."""
    with path.open("rb") as file:
        header = _read_header(file, path)
        first = file.tell()
    header.pop("__metadata__", None)
    return {
        name: StoredTensor(
            path=path,
            type_name=entry["dtype"],
            shape=tuple(entry["shape"]),
            offset=first + entry["data_offsets"][0],
        )
        for name, entry in header.items()
    }


def write_tensors(file: BinaryIO, tensors: Mapping[str, tuple[Tensor, torch.dtype]]) -> None:
    """Writes each tensor in the dtype beside it, and a checksum of all into the header."""
    file.write(_header_with(tensors, checksum=0))
    checksum = 0
    for tensor, dtype in tensors.values():
        for part in tensor.detach().reshape(-1).split(_NUMBERS_AT_ONCE):
            numbers = part.to("cpu", dtype).contiguous().view(torch.uint8).numpy().data
            checksum = zlib.crc32(numbers, checksum)
            file.write(numbers)
    file.seek(0)
    file.write(_header_with(tensors, checksum))


def verify(path: Path) -> None:
    """Raises ValueError where a file isn't as `write_tensors` left it; OSError."""
    with path.open("rb") as file:
        header = _read_header(file, path)
        checksum = 0
        while chunk := file.read(_CHUNK_BYTES):
            checksum = zlib.crc32(chunk, checksum)
    written = header.get("__metadata__", {}).get(_CHECKSUM)
    if written != f"{checksum:08x}":
        raise ValueError(f"{path.name} was written otherwise than it is")


def header_of(tensors: Mapping[str, tuple[Tensor, torch.dtype]], **metadata: str) -> bytes:
    """What a file begins with that holds each tensor in the dtype beside it, in this order."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt", **metadata}}
    place = 0
    for name, (tensor, dtype) in tensors.items():
        end = place + tensor.numel() * dtype.itemsize
        entries[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(tensor.shape),
            "data_offsets": [place, end],
        }
        place = end
    text = json.dumps(entries).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _header_with(tensors: Mapping[str, tuple[Tensor, torch.dtype]], checksum: int) -> bytes:
    """Of the same length whatever the checksum."""
    return header_of(tensors, **{_CHECKSUM: f"{checksum:08x}"})


def _read_header(file: BinaryIO, path: Path) -> dict[str, Any]:
    """Leaves `file` at the first tensor. Raises ValueError."""
    header_bytes = int.from_bytes(file.read(8), "little")
    try:
        header = json.loads(file.read(min(header_bytes, path.stat().st_size)))
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise ValueError(f"{path.name} is no safetensors file")
    return header
