"""One worker process: started, listened to, asked to stop, and killed if it does not."""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from learner_service.events import Event, WorkerFailed, from_json
from learner_service.job_folder.task import WorkerTask
from learner_service.process_end import MemoryWatch, describe_end
from learner_service.settings import SECRET_VARIABLE
from tally.host.torchrun import ADDRESS_VARIABLES, RANK_VARIABLES

_log = logging.getLogger(__name__)
_LONGEST_LINE_BYTES = 1024**2


@dataclass(frozen=True, kw_only=True)
class WorkerExit:
    """How a worker ended: its exit code, and the reason that it gave, if any."""

    code: int
    failure: WorkerFailed | None
    # Whether Linux ended processes meanwhile, for want of memory; None where it does not say.
    memory_ran_out: bool | None = None

    @property
    def reason(self) -> str:
        if self.failure:
            return self.failure.message
        return f"the worker {describe_end(self.code, self.memory_ran_out)}"


def _environment(task: WorkerTask) -> dict[str, str]:
    """This process's own with the secret, which the task's file leaves out, and without what a
    torchrun above it says: a job has ranks of its own."""
    foreign = {*RANK_VARIABLES, *ADDRESS_VARIABLES}
    own = {name: value for name, value in os.environ.items() if name not in foreign}
    secret = task.settings.services_secret
    return own | ({SECRET_VARIABLE: secret.get_secret_value()} if secret else {})


class WorkerProcess:
    """Runs `learner_service.worker.start` on one task; its prints go to the job's worker.log.

    Of several processes of a job, `learner_service/worker/launch.py` starts those of this host.
    """

    def __init__(self, task: WorkerTask, stop_seconds: float) -> None:
        self._task = task
        self._stop_seconds = stop_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._stop_asked = False
        self._stopping: asyncio.Task[None] | None = None

    async def run(self, on_event: Callable[[Event], Awaitable[None]]) -> WorkerExit:
        """Starts the process, hands on its events in order, and waits for its end."""
        task_file, memory = self._task.write(), MemoryWatch()
        read_descriptor, write_descriptor = os.pipe()
        try:
            with self._task.folder.worker_log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "learner_service.worker.start",
                    "launch" if self._task.launch.processes > 1 else "worker",
                    str(task_file),
                    str(write_descriptor),
                    str(os.getpid()),
                    env=_environment(self._task),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[write_descriptor],
                )
        finally:
            os.close(write_descriptor)
        if self._stop_asked:  # which it was before there was a process
            self.stop()
        try:
            failure = await self._listen(read_descriptor, on_event)
            code = await self._process.wait()
        finally:
            if self._process.returncode is None:
                self._process.kill()
            if self._stopping:
                self._stopping.cancel()
        return WorkerExit(code=code, failure=failure, memory_ran_out=memory.ran_out)

    async def _listen(
        self, descriptor: int, on_event: Callable[[Event], Awaitable[None]]
    ) -> WorkerFailed | None:
        reader = asyncio.StreamReader(limit=_LONGEST_LINE_BYTES)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
        )
        failure = None
        try:
            while line := await reader.readline():
                if not line.endswith(b"\n"):
                    break  # the worker was killed in the middle of a line
                event = from_json(line.decode())
                if isinstance(event, WorkerFailed):
                    failure = event
                else:
                    await on_event(event)
        finally:
            transport.close()
        return failure

    def stop(self) -> None:
        """Asks it to stop with a checkpoint; kills it after stop_seconds."""
        self._stop_asked = True
        if self._process and self._process.returncode is None and not self._stopping:
            self._stopping = asyncio.ensure_future(self._stop(self._process))

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        process.terminate()
        await asyncio.sleep(self._stop_seconds)
        if process.returncode is None:
            _log.warning("worker %d did not stop in time; killing it", process.pid)
            process.kill()
