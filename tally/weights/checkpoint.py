"""A model's own files: which they are, what is in them, and what tells them from another's."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers.utils import cached_file
from transformers.utils.hub import get_checkpoint_shard_files

from tally.weights.safetensors_file import StoredTensor, read_tensors

_WHOLE = "model.safetensors"
_INDEX = f"{_WHOLE}.index.json"
# Read of every file for its fingerprint: its header's beginning, and places all over it.
_PLACES = 64
_BYTES_AT_A_PLACE = 4096


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The safetensors files of a model."""

    files: Sequence[Path]

    def tensors(self) -> dict[str, StoredTensor]:
        """By their names in the files, none read yet."""
        return {name: found for file in self.files for name, found in read_tensors(file).items()}

    def fingerprint(self) -> str:
        """Another for every other model: by names, sizes, times of change and samples of them."""
        digest = hashlib.sha256()
        for file in self.files:
            state = file.stat()
            digest.update(f"{file.name} {state.st_size} {state.st_mtime_ns}".encode())
            with file.open("rb") as opened:
                for place in range(_PLACES):
                    opened.seek(state.st_size * place // _PLACES)
                    digest.update(opened.read(_BYTES_AT_A_PLACE))
        return digest.hexdigest()


def find_checkpoint(source: str) -> Checkpoint:
    """Of a folder, or of a hub name, whose files are then downloaded.

    Raises OSError, saying what would be right, where there are no safetensors files.
    """
    try:
        return Checkpoint(files=[_find(source, _WHOLE)])
    except OSError:  # it may be in parts
        pass
    try:
        files, _ = get_checkpoint_shard_files(source, str(_find(source, _INDEX)))
    except OSError as error:
        raise OSError(f"{source} has neither {_WHOLE} nor {_INDEX} to load: {error}") from error
    return Checkpoint(files=[Path(file) for file in files])


def _find(source: str, name: str) -> Path:
    found = cached_file(source, name)
    if found is None:
        raise FileNotFoundError(name)
    return Path(found)
