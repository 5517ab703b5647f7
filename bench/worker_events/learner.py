"""`python -m bench.worker_events.learner`: the learner service, but workers report over a pipe."""

import asyncio
import json
import os
import socket
import sys
from contextlib import suppress
from unittest.mock import patch

from learner_service import __main__ as service
from learner_service.events import from_json
from learner_service.queue.worker_links import Acknowledged, HistoryEntry, Words, WorkerLink
from learner_service.queue.worker_process import WorkerProcess, environment_of

PIPE_VARIABLE = "TALLY_BENCH_PIPE"
EVENT, HISTORY = b"e", b"h"
_MOST_LINE_BYTES = 16 * 1024**2


class PipedWorkerProcess(WorkerProcess):
    """Listens to its worker over a pair of sockets, one of which that inherits."""

    async def _start(self) -> asyncio.subprocess.Process:
        assert isinstance(self._link, WorkerLink)
        ours, theirs = socket.socketpair()
        self._listening = asyncio.create_task(_listen(self._link, ours))
        inherited = {PIPE_VARIABLE: str(theirs.fileno())}
        with theirs, self._task.folder.worker_log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.worker_events.worker", "worker"),
                *(str(self._task.folder_path), str(os.getpid())),
                env=environment_of(self._task) | self._link.variables | inherited,
                pass_fds=[theirs.fileno()],
                stdout=log,
                stderr=log,
            )


async def _listen(link: WorkerLink, pipe: socket.socket) -> None:
    """Lines of a kind and JSON come, numbers of those that are written down go."""
    reader, writer = await asyncio.open_connection(sock=pipe, limit=_MOST_LINE_BYTES)
    acknowledging = asyncio.create_task(_acknowledge(link.open_stream(), writer))
    number = 0
    with suppress(ConnectionError):
        async for line in reader:
            number += 1
            kind, text = line[:1], line[1:].decode()
            is_event = kind == EVENT
            link.receive(number, from_json(text) if is_event else HistoryEntry(json.loads(text)))
    acknowledging.cancel()
    writer.close()


async def _acknowledge(words: Words, writer: asyncio.StreamWriter) -> None:
    while word := await words.get():
        if isinstance(word, Acknowledged):
            writer.write(b"%d\n" % word.number)


if __name__ == "__main__":
    with patch("learner_service.queue.job_processes.WorkerProcess", PipedWorkerProcess):
        service.main()
