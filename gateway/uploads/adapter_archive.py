"""An adapter's ZIP, as downloaded or as PEFT writes it → the adapter blob of blob.v1.

A stranger's weights are never loaded here: their header is read and written anew with the
configuration in it. The rollout replicas judge every key, shape and number before they use them.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gateway.errors import Unprocessable
from gateway.settings import MIB, GatewaySettings
from gateway.uploads.archive import Archive
from gateway.uploads.checking import Check
from gateway.uploads.entries import Entry
from tally.job.prompt_template import PLAIN, PromptTemplate
from tally.messages.message import Message

_CONFIG, _CONFIG_KEY = "adapter_config.json", "adapter_config"
_WEIGHTS = "adapter_model.safetensors"
_TRAINING = "training_args.json"
_MOST_CONFIG_BYTES = MIB
_MOST_HEADER_BYTES = 4 * MIB
_BLOCK_BYTES = MIB
_MOST_RANK = 512
# Where the adapter was trained, and how PEFT found its class: nothing that changes its weights.
_LEFT_OUT = {"base_model_name_or_path", "revision", "auto_mapping", "inference_mode"}


def is_adapter(archive: Archive) -> bool:
    """Whether it is meant for one: no data has an entry of this name."""
    return _CONFIG in archive.entries


def write_adapter(archive: Archive, target: Path, settings: GatewaySettings) -> Check[str]:
    """Writes the adapter of the ZIP to `target`; returns its digest.

    Raises Unprocessable or TooLarge. Equal adapters give equal bytes.
    """
    _check_layout(archive.entries)
    config = _config(archive.read(_CONFIG, _MOST_CONFIG_BYTES))
    entry = archive.entries[_WEIGHTS]
    blocks = archive.blocks(entry, settings.max_unpacked_bytes)
    return (yield from _write(target, _with_config(blocks, entry.record.size_bytes, config)))


def unpack_adapter(source: Path, target: Path, settings: GatewaySettings) -> Check[str]:
    """As `write_adapter`, of the ZIP at `source`."""
    return (yield from write_adapter(Archive(source, settings), target, settings))


def _check_layout(entries: dict[str, Entry]) -> None:
    if "adapter_model.bin" in entries and _WEIGHTS not in entries:
        raise Unprocessable.at("adapter_model.bin", Message("adapter_pickle"))
    for name in (_CONFIG, _WEIGHTS):
        if name not in entries:
            raise Unprocessable.at(name, Message("adapter_entry_missing"))


def _config(data: bytes) -> dict[str, Any]:
    try:
        config = json.loads(data)
    except (ValueError, RecursionError):
        raise Unprocessable.at(_CONFIG, Message("adapter_config_no_json")) from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise Unprocessable.at(_CONFIG, Message("adapter_no_lora"))
    rank = config.get("r")
    if type(rank) is not int or not 1 <= rank <= _MOST_RANK:
        raise Unprocessable.at(_CONFIG, Message("adapter_rank", most=_MOST_RANK))
    return {name: value for name, value in config.items() if name not in _LEFT_OUT}


def read_prompt(archive: Archive) -> PromptTemplate:
    """How the adapter in the ZIP learnt to be asked, by what a download says of its training; the
    plain one where that says nothing. Raises Unprocessable."""
    if _TRAINING not in archive.entries:
        return PLAIN
    try:
        said = json.loads(archive.read(_TRAINING, _MOST_CONFIG_BYTES))
        prompt = said.get("prompt", {}) if isinstance(said, dict) else {}
        return PromptTemplate.model_validate(prompt, extra="ignore")
    except (ValueError, RecursionError):
        raise Unprocessable.at(_TRAINING, Message("adapter_prompt_unreadable")) from None


def read_config(path: Path) -> dict[str, Any]:
    """PEFT's configuration in an adapter blob that was written here, or by the learner."""
    with path.open("rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(header_bytes))
    config: dict[str, Any] = json.loads(header["__metadata__"][_CONFIG_KEY])
    return config


def _with_config(
    blocks: Iterable[bytes], size_bytes: int, config: dict[str, Any]
) -> Iterator[bytes]:
    """The safetensors file with another header and the same data."""
    rest = iter(blocks)
    head = _read(rest, b"", 8)
    header_bytes = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else 0
    if not 2 <= header_bytes <= min(_MOST_HEADER_BYTES, size_bytes - 8):
        raise _damage()
    head = _read(rest, head[8:], header_bytes)
    header = _header(head[:header_bytes], size_bytes - 8 - header_bytes)
    header["__metadata__"] = {_CONFIG_KEY: json.dumps(config, sort_keys=True)}
    text = json.dumps(header, sort_keys=True).encode()
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text)) + text
    yield head[header_bytes:]
    yield from rest


def _read(blocks: Iterator[bytes], start: bytes, size_bytes: int) -> bytes:
    """`start` and so many blocks more that at least `size_bytes` are there, if there are."""
    parts, length = [start], len(start)
    while length < size_bytes and (block := next(blocks, None)) is not None:
        parts.append(block)
        length += len(block)
    return b"".join(parts)


def _header(data: bytes, data_bytes: int) -> dict[str, Any]:
    try:
        header = json.loads(data)
    except (ValueError, RecursionError):
        raise _damage() from None
    if not isinstance(header, dict):
        raise _damage()
    tensors = {name: value for name, value in header.items() if name != "__metadata__"}
    if not tensors or not all(_is_tensor(value, data_bytes) for value in tensors.values()):
        raise _damage()
    return tensors


def _is_tensor(value: Any, data_bytes: int) -> bool:
    """Whether it is the record of a tensor that lies within the data."""
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        return False
    offsets, shape = value["data_offsets"], value["shape"]
    return (
        isinstance(value["dtype"], str)
        and isinstance(shape, list)
        and all(type(side) is int and 0 <= side < 2**32 for side in shape)
        and isinstance(offsets, list)
        and len(offsets) == 2
        and all(type(offset) is int for offset in offsets)
        and 0 <= offsets[0] <= offsets[1] <= data_bytes
    )


def _damage() -> Unprocessable:
    return Unprocessable.at(_WEIGHTS, Message("adapter_weights_broken"))


def _write(target: Path, blocks: Iterable[bytes]) -> Check[str]:
    hasher = hashlib.sha256()
    with target.open("wb") as file:
        for block in blocks:
            hasher.update(block)
            file.write(block)
            yield
    return hasher.hexdigest()
