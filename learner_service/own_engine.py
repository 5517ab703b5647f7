"""The engine that answers who asks while no job runs, of a learner without a rollout service.

It is a process, so that its memory is free, on a GPU too, before a job begins.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from learner_service.errors import RolloutsUnavailable
from learner_service.inside.task import EngineTask
from learner_service.models import ModelList
from learner_service.settings import SECRET_VARIABLE, LearnerSettings

_LOG_NAME = "engine.log"


class OwnEngine:
    """Of one base at a time: another one takes its place."""

    def __init__(self, settings: LearnerSettings, models: ModelList, blobs: Path) -> None:
        """`blobs` is the folder of the service's store."""
        self._settings = settings
        self._models = models
        self._blobs = blobs
        self._process: _EngineProcess | None = None
        self._choosing = asyncio.Lock()
        self._jobs = 0

    async def target(self, base_model: str) -> str:
        """Where it answers; it is started where it doesn't run, and goes on loading when its caller
        has gone. Raises UnknownModel, RolloutsUnavailable while a job runs or where it won't load.
        """
        source = self._models.source(base_model)
        async with self._choosing:
            if self._jobs:
                raise RolloutsUnavailable(
                    "a job runs, and this learner samples within it; ask again once it has ended"
                )
            if self._process is None or not self._process.serves(source):
                await self._end()
                self._process = _EngineProcess(self._task(source), self._log_path)
            ready = self._process.ready
        return await asyncio.shield(ready)

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """While a job has the machine."""
        self._jobs += 1
        try:
            async with self._choosing:
                await self._end()
            yield
        finally:
            self._jobs -= 1

    async def close(self) -> None:
        async with self._choosing:
            await self._end()

    async def _end(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            await process.end()

    def _task(self, source: str) -> EngineTask:
        return EngineTask(source=source, blobs=self._blobs, settings=self._settings)

    @property
    def _log_path(self) -> Path:
        return self._settings.data_dir / _LOG_NAME


class _EngineProcess:
    """Started at once; `ready` is where it serves, or raises RolloutsUnavailable."""

    def __init__(self, task: EngineTask, log_path: Path) -> None:
        self._task = task
        self._log_path = log_path
        self._started = asyncio.ensure_future(self._start())
        self.ready = asyncio.ensure_future(self._wait_until_ready())

    def serves(self, source: str) -> bool:
        """Or will, once it has loaded."""
        has_failed = self.ready.done() and self.ready.exception() is not None
        has_ended = self._started.done() and self._started.result().returncode is not None
        return self._task.source == source and not has_failed and not has_ended

    async def end(self) -> None:
        process = await self._started
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await asyncio.gather(self.ready, return_exceptions=True)

    async def _start(self) -> asyncio.subprocess.Process:
        settings = self._task.settings
        secret = settings.services_secret
        with self._log_path.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "learner_service.inside",
                str(os.getpid()),
                env=os.environ | ({SECRET_VARIABLE: secret.get_secret_value()} if secret else {}),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    async def _wait_until_ready(self) -> str:
        process = await self._started
        said, _ = await asyncio.gather(_read_line(process), _hand_over(process, self._task))
        if not said:
            raise RolloutsUnavailable("the learner's engine has not loaded; try again")
        return f"127.0.0.1:{int(said)}"


async def _hand_over(process: asyncio.subprocess.Process, task: EngineTask) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError, ConnectionResetError):  # it has ended
        process.stdin.write(task.model_dump_json().encode())
        await process.stdin.drain()
    process.stdin.close()


async def _read_line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()
