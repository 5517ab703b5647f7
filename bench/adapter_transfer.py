"""An adapter of Qwen2.5-VL-7B from learner to replica, against a plain stream of the same bytes.

    python -m bench.adapter_transfer

As in a job, a worker publishes (real PEFT weights, the real blob store), the learner serves, and a
replica fetches into its cache, each in a process of its own. The plain stream is a minimal method
that sends the same bytes from memory, in chunks of the same size, to a receiver that throws them
away; nothing is read, checked or written. It is measured twice: as messages of protobuf, which is
what a method of gRPC's is and what the claim is about, and as raw bytes without protobuf.
"""

import asyncio
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from statistics import median
from typing import Any

import grpc

from bench.adapter_servicer import PLAIN, serve_blobs, serve_plainly
from bench.measure import in_turn, median_ratio, seconds
from bench.peak_memory import PeakMemory
from bench.report import options, print_json, print_table
from learner_service.blobs.blob_store import BlobStore
from rollout_service.blobs.blob_cache import BlobCache
from rollout_service.blobs.cache_folder import MEMORY_FOLDER, place_cache
from rollout_service.settings import RolloutSettings
from tally.blob.v1 import blob_pb2
from tally.rpc.blobs import CHUNK_BYTES, IDEMPOTENT_METHODS, BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.settings import ClientSettings

_REQUESTS = 8
_LAYERS = 28
_MEGABYTE = 1e6
_SPAWN = multiprocessing.get_context("spawn")


def main() -> None:
    parser = options("An adapter from learner to replica over loopback.")
    parser.add_argument("--repeats", type=int, default=9, help="of each side")
    chosen = parser.parse_args()
    repeats, layers = (2, 4) if chosen.quick else (chosen.repeats, _LAYERS)
    fetches = _SPAWN.Value("i", 0)
    with tempfile.TemporaryDirectory(prefix="tally-bench-") as folder:
        store = Path(folder)
        published = _publish(store, layers, repeats)
        with (
            _run_process(serve_blobs, store, fetches) as learner,
            _run_process(serve_plainly, BlobStore(store).path(published["digest"])) as plain,
        ):
            task = _Task(
                digest=published["digest"],
                size_bytes=published["size_bytes"],
                blob_port=learner.recv(),
                plain_port=plain.recv(),
                repeats=repeats,
            )
            with _run_process(replicate, task, fetches) as replica:
                fetched = replica.recv()
            for pipe in (learner, plain):
                pipe.send("stop")
            fetched["learner_peak_growth_bytes"] = learner.recv()
    _print(published, fetched, {"repeats": repeats, "layers": layers, "chunk_bytes": CHUNK_BYTES})


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What the replica is to fetch, and from where."""

    digest: str
    size_bytes: int
    blob_port: int
    plain_port: int
    repeats: int


def _publish(store: Path, layers: int, repeats: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.adapter_worker", str(store), str(layers), str(repeats)]
    worker = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    published: dict[str, Any] = json.loads(worker.stdout)
    return published


def replicate(pipe: Connection, task: _Task, fetches: "Synchronized[int]") -> None:
    """The replica: fetches and plain streams in turn, then eight requests at once."""
    settings = RolloutSettings(blob=ClientSettings(target=f"127.0.0.1:{task.blob_port}"))
    with place_cache(settings) as (placed, _), asyncio.Runner() as runner:
        replica = runner.run(_Replica.open(placed, task, fetches))
        rates = in_turn(
            {
                "plain": lambda: replica.rate(lambda: runner.run(replica.stream_plainly())),
                "raw": lambda: replica.rate(lambda: runner.run(replica.stream_raw())),
                "verified": lambda: replica.rate(lambda: runner.run(replica.fetch(1))),
            },
            task.repeats,
        )
        pipe.send({"rates": rates, **runner.run(replica.fetch_at_once())})
        runner.run(replica.close())


class _Replica:
    """The replica's cache, made anew for each fetch, and the two channels."""

    def __init__(
        self, settings: RolloutSettings, task: _Task, fetches: "Synchronized[int]"
    ) -> None:
        self._folder = settings.cache_dir or Path()
        self._max_bytes = settings.cache_bytes
        self._task = task
        self._fetches = fetches
        self._channel = open_channel(settings.blob, idempotent_methods=IDEMPOTENT_METHODS)
        self._plain_channel = grpc.aio.insecure_channel(f"127.0.0.1:{task.plain_port}")

    @classmethod
    async def open(cls, *arguments: Any) -> "_Replica":
        return cls(*arguments)

    async def close(self) -> None:
        await self._channel.close()
        await self._plain_channel.close()

    def rate(self, transfer: Callable[[], object]) -> float:
        """Megabytes per second."""
        return self._task.size_bytes / _MEGABYTE / seconds(transfer)

    async def stream_plainly(self) -> None:
        call = self._plain_channel.unary_stream(
            f"/{PLAIN}/Messages", response_deserializer=blob_pb2.FetchResponse.FromString
        )
        received = 0
        async for response in call(b""):
            received += len(response.chunk.data)
        assert received == self._task.size_bytes

    async def stream_raw(self) -> None:
        received = 0
        async for chunk in self._plain_channel.unary_stream(f"/{PLAIN}/Raw")(b""):
            received += len(chunk)
        assert received == self._task.size_bytes

    async def fetch(self, requests: int) -> int:
        """The adapter by `requests` callers at once, none there before; returns its disk space."""
        folder = self._folder / "bench"
        cache = BlobCache(folder, self._max_bytes, BlobClient(self._channel))
        try:
            sizes = await asyncio.gather(*(self._hold(cache) for _ in range(requests)))
            return sizes[0]
        finally:
            cache.close()
            shutil.rmtree(folder)

    async def _hold(self, cache: BlobCache) -> int:
        async with cache.hold(self._task.digest) as path:
            state = os.stat(path)
            assert state.st_size == self._task.size_bytes
            return state.st_blocks * 512

    async def fetch_at_once(self) -> dict[str, Any]:
        growth = PeakMemory("cpu")
        before = self._fetches.value
        stored_bytes = await self.fetch(_REQUESTS)
        return {
            "requests_at_once": _REQUESTS,
            "fetches_of_them": self._fetches.value - before,
            "replica_peak_growth_bytes": growth.figures().growth,
            "stored_bytes": stored_bytes,
            "stored_in_memory": self._folder.is_relative_to(MEMORY_FOLDER),
        }


@contextmanager
def _run_process(target: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """`target` in a fresh process, its first argument the other end of what is yielded."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=target, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
        process.join()
    finally:
        process.kill()


def _print(published: dict[str, Any], fetched: dict[str, Any], settings: dict[str, Any]) -> None:
    rates = fetched.pop("rates")
    size = published["size_bytes"]
    figures: dict[str, Any] = {
        "adapter_bytes": size,
        "publish_seconds": published["seconds"],
        "plain_megabytes_per_second": rates["plain"],
        "raw_megabytes_per_second": rates["raw"],
        "verified_megabytes_per_second": rates["verified"],
        "verified_to_plain": median_ratio(rates["verified"], rates["plain"]),
        "verified_to_raw": median_ratio(rates["verified"], rates["raw"]),
        "publisher_peak_growth_bytes": published["peak_growth_bytes"],
        **fetched,
    }
    print_table(
        (f"adapter of {size / _MEGABYTE:.0f} MB", "median", "least", "most"),
        [
            ("publishing, s", *_spread(published["seconds"])),
            ("plain stream, MB/s", *_spread(rates["plain"])),
            ("the same without protobuf, MB/s", *_spread(rates["raw"])),
            ("verified into the cache, MB/s", *_spread(rates["verified"])),
        ],
    )
    print_table(
        ("claim", "measured", "bound"),
        [
            ("verified / plain, median of the pairs", figures["verified_to_plain"], ">= 0.5"),
            ("verified / raw bytes without protobuf", figures["verified_to_raw"], ""),
            (f"fetches of {_REQUESTS} requests at once", fetched["fetches_of_them"], "1"),
            *(
                (f"peak memory growth of the {end} / adapter", figures[key] / size, "< 1.5")
                for end in ("publisher", "learner", "replica")
                for key in [f"{end}_peak_growth_bytes"]
            ),
            ("in memory-backed storage, MB", _megabytes_in_memory(fetched), ""),
        ],
    )
    print_json("adapter_transfer", settings, figures)


def _megabytes_in_memory(fetched: dict[str, Any]) -> float:
    return fetched["stored_bytes"] / _MEGABYTE if fetched["stored_in_memory"] else 0.0


def _spread(values: list[float]) -> tuple[float, float, float]:
    return median(values), min(values), max(values)


if __name__ == "__main__":
    main()
