"""A model's weights files with random numbers in them, in the format that is published.

Tensors are made and written one by one, so that no more than one is ever in memory.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from tally import torch_compat

torch_compat.install()

from transformers import AutoModelForImageTextToText, PreTrainedConfig  # noqa: E402
from transformers.core_model_loading import revert_weight_conversion  # noqa: E402

from tally.weights.safetensors_file import header_of, read_tensors  # noqa: E402

# Files of published models are of about this size.
_FILE_BYTES = 4 * 10**9
_SPREAD = 0.02  # of the weights around 0: initializer_range of Qwen's configurations


def write_weights(config: PreTrainedConfig, folder: Path, *, seed: int, dtype: torch.dtype) -> None:
    """Writes what a model of `config` loads; the index, last, says that all is there."""
    files = _share_out(_outline(config), dtype)
    names = [f"model-{n:05}-of-{len(files):05}.safetensors" for n in range(1, len(files) + 1)]
    generator = torch.Generator("cuda" if torch.cuda.is_available() else "cpu").manual_seed(seed)
    for name, outline in zip(names, files, strict=True):
        _write_file(folder / name, outline, generator, dtype)
    where = {key: name for name, outline in zip(names, files, strict=True) for key in outline}
    total = sum(_num_bytes(tensor, dtype) for outline in files for tensor in outline.values())
    index = {"metadata": {"total_size": total}, "weight_map": where}
    index_path(folder).write_text(json.dumps(index))


def widen_rows(folder: Path, rows: Sequence[int], factor: float) -> None:
    """Multiplies these rows of the token embeddings: tied to the head, such tokens come up more."""
    where = json.loads(index_path(folder).read_text())["weight_map"]
    [name] = [key for key in where if key.endswith("embed_tokens.weight")]
    path = folder / where[name]
    stored = read_tensors(path)[name]
    embeddings = stored[...]
    with path.open("r+b") as file:
        for row in rows:
            file.seek(stored.offset + row * embeddings[row].nbytes)
            file.write(_bytes_of(embeddings[row] * factor))


def index_path(folder: Path) -> Path:
    return folder / "model.safetensors.index.json"


def _outline(config: PreTrainedConfig) -> dict[str, Tensor]:
    """Every tensor by its name in a file; shapes only. What is tied is there once."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    tied = set(model.all_tied_weights_keys)
    tensors = {name: one for name, one in model.state_dict().items() if name not in tied}
    outline: dict[str, Tensor] = revert_weight_conversion(model, tensors)
    return outline


def _share_out(outline: Mapping[str, Tensor], dtype: torch.dtype) -> list[dict[str, Tensor]]:
    """As few files as there must be, in the order of the tensors."""
    files: list[dict[str, Tensor]] = [{}]
    room = _FILE_BYTES
    for name, tensor in outline.items():
        size = _num_bytes(tensor, dtype)
        if files[-1] and size > room:
            files.append({})
            room = _FILE_BYTES
        files[-1][name] = tensor
        room -= size
    return files


def _write_file(
    path: Path, outline: Mapping[str, Tensor], generator: torch.Generator, dtype: torch.dtype
) -> None:
    with path.open("wb") as file:
        file.write(header_of({name: (tensor, dtype) for name, tensor in outline.items()}))
        for name, tensor in outline.items():
            file.write(_bytes_of(_draw(name, tensor.shape, generator, dtype).cpu()))


def _draw(name: str, shape: torch.Size, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """As many numbers as `shape` holds, flat: norms are 1, biases 0."""
    weights = torch.empty(shape.numel(), dtype=dtype, device=generator.device)
    if len(shape) > 1:
        return weights.normal_(0, _SPREAD, generator=generator)
    return weights.fill_(0 if name.endswith("bias") else 1)


def _bytes_of(numbers: Tensor) -> memoryview:
    return numbers.view(torch.uint8).numpy().data


def _num_bytes(tensor: Tensor, dtype: torch.dtype) -> int:
    return tensor.numel() * dtype.itemsize
