"""What a share's processes print, sent to the learner while they run."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from learner_service.worker.service_client import ServiceClient
from learner_service.worker_access import WorkerAccess
from tally.rpc.errors import FailedPrecondition, TallyError

_log = logging.getLogger(__name__)
_MOST_BYTES = 256 * 1024
_PAUSE_SECONDS = 1.0


@asynccontextmanager
async def send_output(path: Path, access: WorkerAccess) -> AsyncIterator[None]:
    """Sends what is appended to the file, and the rest of it when the context ends."""
    ended = asyncio.Event()
    with ServiceClient(access, patience_seconds=0, reports=False) as service:
        sending = asyncio.create_task(_follow(path, service, ended))
        try:
            yield
        finally:
            ended.set()
            await sending


async def _follow(path: Path, service: ServiceClient, ended: asyncio.Event) -> None:
    """A learner that is away gets it later; one that is away at the end does not."""
    offset = 0
    while True:
        over = ended.is_set()
        data = await asyncio.to_thread(_read, path, offset)
        try:
            if data:
                await asyncio.to_thread(service.report_output, data)
                offset += len(data)
                continue
        except FailedPrecondition:
            return
        except (TallyError, OSError) as error:
            _log.warning("the learner has not got what the processes print: %s", error)
        if over:
            return
        await _wait(ended)


async def _wait(ended: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_PAUSE_SECONDS):
            await ended.wait()
    except TimeoutError:
        return


def _read(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(_MOST_BYTES)
    except FileNotFoundError:
        return b""
