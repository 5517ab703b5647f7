"""Uploads of Parquet: made a ZIP as documented, by a process of their own."""

import asyncio
import errno
import json
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path

from gateway.errors import TooLarge, Unprocessable
from gateway.settings import MIB, GatewaySettings
from gateway.uploads import parquet_child
from gateway.uploads.archive import Archive, readable_bytes
from gateway.uploads.checking import Check
from gateway.uploads.parquet_child import (
    NO_READER,
    NO_ROOM,
    OUT_OF_MEMORY,
    TOO_LARGE,
    Conversion,
)
from gateway.uploads.table_entry import has_table
from tally.messages.message import Message

_CONVERTED = "converted.zip"
_ENDING = ".parquet"
# Seconds that it may take for each of its CPU.
_PATIENCE = 20
# A C++ library that gets no memory aborts.
_OUT_OF_MEMORY = (OUT_OF_MEMORY, -signal.SIGABRT, -signal.SIGKILL, -signal.SIGSEGV)
# Of the gateway's environment, which holds its secrets.
_VARIABLES = ("PATH", "PYTHONPATH", "LANG", "LC_ALL")


class ParquetUploads:
    """Converts one upload at a time: each may take as much memory as all."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()

    def extract(self, archive: Archive, folder: Path) -> Check[dict[str, Path]]:
        """Lays the Parquet files of an upload in `folder`, by their names; none where it has
        another table."""
        yield
        paths: dict[str, Path] = {}
        for number, name in enumerate(_find(archive.entries)):
            paths[name] = folder / f"{number}{_ENDING}"
            with paths[name].open("wb") as file:
                for block in archive.blocks(archive.entries[name], self._settings.max_upload_bytes):
                    file.write(block)
                    yield
        return paths

    async def convert(self, paths: dict[str, Path], folder: Path) -> Path:
        """The ZIP that they are made; raises Unprocessable or TooLarge."""
        settings = self._settings
        size_bytes = sum(path.stat().st_size for path in paths.values())
        per_mib = settings.validation_seconds_per_mib
        conversion = Conversion(
            paths={name: str(path) for name, path in paths.items()},
            target=str(folder / _CONVERTED),
            max_bytes=settings.max_unpacked_bytes,
            memory_bytes=settings.max_parquet_memory_bytes,
            cpu_seconds=int(settings.validation_seconds + per_mib * size_bytes / MIB) + 1,
        )
        async with self._turn:
            code, said = await _run(conversion)
        for path in paths.values():
            path.unlink()
        self._refuse(conversion, code, said)
        return folder / _CONVERTED

    def _refuse(self, conversion: Conversion, code: int, said: bytes) -> None:
        """Raises what the process has said, or died of."""
        if code == NO_READER:
            raise Unprocessable.at("file", Message("parquet_not_read"))
        if code == NO_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if code in _OUT_OF_MEMORY:
            most = readable_bytes(conversion.memory_bytes)
            raise TooLarge.at("file", Message("parquet_too_large", most=most))
        if code == TOO_LARGE:
            most = readable_bytes(conversion.max_bytes)
            raise TooLarge.at("file", Message("unpacks_too_large", most=most))
        if code == -signal.SIGXCPU:
            seconds = conversion.cpu_seconds
            raise TooLarge.at("file", Message("checking_too_long", seconds=seconds))
        if code:
            raise Unprocessable.at("file", Message("parquet_damaged"))
        if said:
            told = json.loads(said)
            raise Unprocessable.at(told["where"], Message.of_json(told["said"]))


def _find(names: Collection[str]) -> list[str]:
    files = sorted(name for name in names if name.lower().endswith(_ENDING))
    return [] if has_table(names) else files


async def _run(conversion: Conversion) -> tuple[int, bytes]:
    """The exit code, that of a signal negative, and what it said."""
    environment = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        parquet_child.__name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment | {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1"},
    )
    try:
        async with asyncio.timeout(_PATIENCE * conversion.cpu_seconds):
            said, _ = await process.communicate(conversion.as_json())
    except TimeoutError:
        return -signal.SIGXCPU, b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said
