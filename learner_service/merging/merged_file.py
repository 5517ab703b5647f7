"""A safetensors file of a base model with an adapter in it, a few rows at a time."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import torch

from learner_service.merging.low_rank import LowRank
from tally.rpc.errors import FailedPrecondition
from tally.weights.safetensors_file import StoredTensor, read_tensors

_NUMBERS_AT_ONCE = 2**22
_CHUNK_BYTES = 2**20


def merged_blocks(path: Path, added: Mapping[str, LowRank]) -> Iterator[bytes]:
    """The file's bytes in order; weights that nothing is `added` to are as they were, and so are
    names, shapes and types. Sums are in float32."""
    tensors = sorted(read_tensors(path).items(), key=lambda item: item[1].offset)
    with path.open("rb") as file:
        for name, stored in tensors:
            if name in added:
                yield from _copy(file, stored.offset)
                yield from _merge(file, stored, added[name])
        yield from _copy(file, path.stat().st_size)


def check_mergeable(tensors: Mapping[str, StoredTensor], added: Mapping[str, LowRank]) -> None:
    """Raises FailedPrecondition for a weight of another shape, or that is held in few bits."""
    for name, low_rank in added.items():
        stored, shape = tensors[name], (len(low_rank.b), low_rank.a.shape[1])
        if stored.shape != shape or stored.type_name not in ("F64", "F32", "F16", "BF16"):
            raise FailedPrecondition(
                f"the base model's {name} is {stored.type_name} {list(stored.shape)}; expected "
                f"{list(shape)} in full precision to merge an adapter into"
            )


def _copy(file: BinaryIO, end: int) -> Iterator[bytes]:
    while left := end - file.tell():
        yield file.read(min(_CHUNK_BYTES, left))


def _merge(file: BinaryIO, stored: StoredTensor, added: LowRank) -> Iterator[bytes]:
    """The weight that begins here."""
    outputs, inputs = stored.shape
    rows = max(1, _NUMBERS_AT_ONCE // inputs)
    for first in range(0, outputs, rows):
        b = added.b[first : first + rows]
        data = bytearray(file.read(len(b) * inputs * stored.dtype.itemsize))
        part = torch.frombuffer(data, dtype=stored.dtype).view(len(b), inputs)
        merged = torch.addmm(part.float(), b, added.a, alpha=added.scaling).to(stored.dtype)
        yield merged.view(torch.uint8).numpy().tobytes()
