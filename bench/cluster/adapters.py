"""An adapter that every replica fetches anew at each step, out of the learner's blob store."""

import asyncio
import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.cluster.plan import Plan
from bench.processes import cpu_seconds
from bench.services import run_service
from learner_service.blobs.blob_store import BlobStore
from tally.rpc.blobs import IDEMPOTENT_METHODS, BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.settings import ClientSettings

_MIB = 1024**2
_CHANNELS = 16


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Until all replicas have the adapter; the learner's CPU time is for each MiB that it sent."""

    seconds: float
    mib_per_second: float
    learner_milliseconds_per_mib: float


def measure(replicas: int, plan: Plan) -> Figures:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        digest = BlobStore(folder / "learner" / "blobs").put_bytes(os.urandom(plan.adapter_bytes))
        learner = running.enter_context(
            run_service(
                *("bench.cluster.learner", "1", "1", "0"),
                *("--server.port", "0", "--data-dir", str(folder / "learner")),
            )
        )
        before, started = cpu_seconds(learner.pid), time.perf_counter()
        asyncio.run(_fetch(learner.port, digest, replicas, folder))
        seconds, spent = time.perf_counter() - started, cpu_seconds(learner.pid) - before
        mib = replicas * plan.adapter_bytes / _MIB
        return Figures(
            seconds=seconds,
            mib_per_second=mib / seconds,
            learner_milliseconds_per_mib=1e3 * spent / mib,
        )


async def _fetch(port: int, digest: str, replicas: int, folder: Path) -> None:
    """As many times as there are replicas, over some connections at once."""
    settings = ClientSettings(target=f"127.0.0.1:{port}")
    numbers = iter(range(replicas))

    async def fetch() -> None:
        async with open_channel(settings, idempotent_methods=IDEMPOTENT_METHODS) as channel:
            client = BlobClient(channel)
            for number in numbers:
                path = folder / str(number)
                await client.fetch_file(digest, path)
                path.unlink()

    await asyncio.gather(*(fetch() for _ in range(min(_CHANNELS, replicas))))
