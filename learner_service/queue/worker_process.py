"""One worker process: started, listened to, asked to stop, and killed if it does not."""

import asyncio
import logging
import os
import shutil
import sys
from dataclasses import dataclass

from learner_service.events import WorkerFailed
from learner_service.job_folder.task import WorkerTask
from learner_service.process_end import MemoryWatch, describe_end
from learner_service.queue.worker_links import FarLink, TakeEvent, WorkerLink
from learner_service.settings import SECRET_VARIABLE
from tally.host.torchrun import ADDRESS_VARIABLES, RANK_VARIABLES
from tally.messages.message import Message

_log = logging.getLogger(__name__)
_GPUS_VARIABLE = "CUDA_VISIBLE_DEVICES"
_THREADS_VARIABLE = "OMP_NUM_THREADS"


@dataclass(frozen=True, kw_only=True)
class WorkerExit:
    """How a worker ended: its exit code, and the reason that it gave, if any."""

    code: int
    failure: WorkerFailed | None
    # Whether Linux ended processes meanwhile, for want of memory; None where it does not say.
    memory_ran_out: bool | None = None

    @property
    def reason(self) -> Message:
        if self.failure:
            return self.failure.reason
        return Message("worker_ended", end=describe_end(self.code, self.memory_ran_out))


def environment_of(task: WorkerTask) -> dict[str, str]:
    """This process's own with the secret, which the task leaves out, and without what a
    torchrun above it says: a job has ranks of its own, and GPUs and threads of its own."""
    foreign = {*RANK_VARIABLES, *ADDRESS_VARIABLES}
    own = {name: value for name, value in os.environ.items() if name not in foreign}
    launch, secret = task.launch, task.settings.services_secret
    if launch.threads:
        own.setdefault(_THREADS_VARIABLE, str(launch.threads))
    if launch.gpus:
        own[_GPUS_VARIABLE] = ",".join(launch.gpus)
    return own | ({SECRET_VARIABLE: secret.get_secret_value()} if secret else {})


class WorkerProcess:
    """Runs `learner_service.worker.start` on one task; its prints go to the job's worker.log.

    Of several processes of a job, `learner_service/worker/launch.py` starts those of this host.
    """

    def __init__(self, task: WorkerTask, stop_seconds: float, link: WorkerLink | FarLink) -> None:
        """`link` is that of the attempt, which somebody else opens."""
        self._task = task
        self._stop_seconds = stop_seconds
        self._link = link
        self._process: asyncio.subprocess.Process | None = None
        self._stop_asked = False
        self._stopping: asyncio.Task[None] | None = None

    async def run(self, on_event: TakeEvent) -> WorkerExit:
        """Starts the process, hands on its events in order, and waits for its end."""
        memory = MemoryWatch()
        process = self._process = await self._start()
        ending = asyncio.ensure_future(process.wait())
        ending.add_done_callback(lambda _: self._link.end())
        if self._stop_asked:  # which it was before there was a process
            self.stop()
        try:
            await self._link.hand_on(on_event)
            code = await ending
        finally:
            ending.cancel()
            if process.returncode is None:
                process.kill()
            if self._stopping:
                self._stopping.cancel()
            await asyncio.to_thread(shutil.rmtree, self._task.scratch, ignore_errors=True)
        return WorkerExit(code=code, failure=self._link.failure, memory_ran_out=memory.ran_out)

    async def _start(self) -> asyncio.subprocess.Process:
        with self._task.folder.worker_log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "learner_service.worker.start",
                "launch" if self._task.launch.processes > 1 else "worker",
                str(self._task.folder_path),
                str(os.getpid()),
                env=environment_of(self._task) | self._link.variables,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """Asks it to stop with a checkpoint; kills it after stop_seconds."""
        self._stop_asked = True
        if self._process and self._process.returncode is None and not self._stopping:
            self._stopping = asyncio.ensure_future(self._stop(self._process))

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        self._link.ask_to_stop()
        process.terminate()
        await asyncio.sleep(self._stop_seconds)
        if process.returncode is None:
            _log.warning("worker %d did not stop in time; killing it", process.pid)
            process.kill()
