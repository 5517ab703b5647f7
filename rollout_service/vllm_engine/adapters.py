"""Adapter blobs as vLLM loads them: a folder for each, under a name and a number of its digest.

A folder goes with the weights, once no request uses them and another adapter needs the room.
"""

import asyncio
import json
import logging
import os
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vllm.lora.request import LoRARequest
from vllm.v1.engine.exceptions import EngineDeadError

from tally.host.lookups import Lookups
from tally.sampling.adapter_file import LoraStructure
from tally.sampling.engine import LocalBlob
from tally.sampling.errors import BadAdapter, EngineNotReady, OutOfMemory

_log = logging.getLogger(__name__)
_MOST_NUMBER = 2**31 - 1  # vLLM's newer model runner keeps the numbers in 32-bit integers

ReadStructure = Callable[[Path], LoraStructure]


class LoraHost(Protocol):
    """What of vLLM's engine is needed here."""

    async def add_lora(self, lora_request: LoRARequest) -> bool: ...

    async def remove_lora(self, lora_id: int) -> bool: ...


@dataclass(kw_only=True, eq=False)
class _Entry:
    """An adapter, how many requests hold it, and whether vLLM has loaded it."""

    number: int
    holders: int = 0
    loaded: bool = False


class VllmAdapters:
    """At most `max_resident` adapters, the least recently used idle one out first.

    Requests for one more wait while each of these is in use: vLLM would swap adapters amid their
    completions otherwise, and sample tokens from the wrong one.
    """

    def __init__(
        self, host: LoraHost, folder: Path, max_resident: int, read_structure: ReadStructure
    ) -> None:
        self._host = host
        self._folder = folder
        self._max_resident = max_resident
        self._read_structure = read_structure
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # by digest, oldest use first
        self._freed = asyncio.Event()
        self._loading = asyncio.Lock()
        self.lookups = Lookups()

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(self._entries)

    @asynccontextmanager
    async def hold(self, adapter: LocalBlob) -> AsyncIterator[LoRARequest]:
        """`adapter` as vLLM knows it, loaded and there to stay while the context is open.

        Raises BadAdapter for a blob that is not a LoRA of this model, OutOfMemory and
        EngineNotReady.
        """
        while not self._has_room(adapter.digest):
            self._freed.clear()
            await self._freed.wait()
        entry = self._entry(adapter.digest)
        entry.holders += 1
        try:
            async with self._loading:
                self.lookups.note(entry.loaded)
                if not entry.loaded:
                    await self._make_room()
                    await self._load(adapter, entry)
            yield self._request(adapter.digest, entry)
        finally:
            entry.holders -= 1
            if not entry.holders and not entry.loaded:
                del self._entries[adapter.digest]
            self._freed.set()

    def _has_room(self, digest: str) -> bool:
        in_use = [d for d, entry in self._entries.items() if entry.holders]
        return digest in self._entries or len(in_use) < self._max_resident

    def _entry(self, digest: str) -> _Entry:
        if digest not in self._entries:
            taken = {entry.number for entry in self._entries.values()}
            self._entries[digest] = _Entry(number=number_of(digest, taken))
        self._entries.move_to_end(digest)
        return self._entries[digest]

    def _request(self, digest: str, entry: _Entry) -> LoRARequest:
        path = str(self._folder / digest)
        return LoRARequest(lora_name=digest, lora_int_id=entry.number, lora_path=path)

    async def _make_room(self) -> None:
        """Lets idle adapters go until the entries are as many as there is room for."""
        idle = [(digest, entry) for digest, entry in self._entries.items() if not entry.holders]
        for digest, entry in idle[: max(0, len(self._entries) - self._max_resident)]:
            del self._entries[digest]
            with _translate_errors(digest):
                await self._host.remove_lora(entry.number)
            await asyncio.to_thread(shutil.rmtree, self._folder / digest, ignore_errors=True)

    async def _load(self, adapter: LocalBlob, entry: _Entry) -> None:
        await asyncio.to_thread(self._write_folder, adapter)
        # Beforehand: an adapter that fails to load amid sampling would end vLLM's engine.
        with _translate_errors(adapter.digest):
            await self._host.add_lora(self._request(adapter.digest, entry))
        entry.loaded = True

    def _write_folder(self, adapter: LocalBlob) -> None:
        """Only what was checked goes into the configuration, nothing of the blob's own."""
        structure = self._read_structure(adapter.path)
        folder = self._folder / adapter.digest
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps(_configuration(structure)))
        _link(adapter.path, folder / "adapter_model.safetensors")


@contextmanager
def _translate_errors(digest: str) -> Iterator[None]:
    try:
        yield
    except EngineDeadError:
        raise EngineNotReady("the engine has died; the service is about to end") from None
    except Exception as error:  # the engine's process sends what it caught as plain text
        _log.exception("vLLM did not load adapter %s", digest)
        if "out of memory" in str(error).lower():
            raise OutOfMemory("not enough memory for the adapter; try again later") from error
        raise BadAdapter("adapter: the engine can't load it") from error


def number_of(digest: str, taken: set[int]) -> int:
    """The integer that vLLM knows the adapter by: 1 to 2**31 - 1, and none of `taken`."""
    number = int(digest, 16) % _MOST_NUMBER + 1
    while number in taken:
        number = number % _MOST_NUMBER + 1
    return number


def _configuration(structure: LoraStructure) -> dict[str, object]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": structure.rank,
        "lora_alpha": structure.alpha,
        "target_modules": sorted({name.rpartition(".")[2] for name in structure.modules}),
        "bias": "none",
    }


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
