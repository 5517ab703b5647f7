"""The process of an installed reward: started when it is needed, killed where it breaks a bound."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Any

# A service's settings hold secrets.
_OWN_VARIABLES = "TALLY_"
_MOST_RESPONSE_BYTES = 1024**2


class Fault(Exception):
    """What the reward did wrong; the message goes on after its name."""


class RewardProcess:
    """One request at a time; others wait for their turn, which no bound of theirs includes."""

    def __init__(self, name: str, *, start_seconds: float, answer_seconds: float) -> None:
        self._name = name
        self._start_seconds = start_seconds
        self._answer_seconds = answer_seconds
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    async def describe(self) -> str:
        """Loads the reward; raises Fault."""
        async with self._turn:
            return await self._start()

    async def ask(self, answers: list[list[Any]]) -> list[float]:
        """The numbers that the reward gives, as many as they may be; raises Fault."""
        async with self._turn:
            if self._process is None or self._process.returncode is not None:
                await self._start()
            response = await self._exchange(json.dumps(answers), self._answer_seconds)
        values: list[float] = response["values"]
        return values

    async def close(self) -> None:
        async with self._turn:
            await self._kill()

    async def _start(self) -> str:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "reward_service.installed.program"),
                *(self._name, str(os.getpid())),
                stdin=PIPE,
                stdout=PIPE,
                env={k: v for k, v in os.environ.items() if not k.startswith(_OWN_VARIABLES)},
                limit=_MOST_RESPONSE_BYTES,
                start_new_session=True,
            )
        except OSError as error:
            raise Fault("has no process: the machine starts none more") from error
        try:
            response = await self._exchange("", self._start_seconds)
        except Fault:
            await self._kill()
            raise
        description: str = response["description"]
        return description

    async def _exchange(self, request: str, most_seconds: float) -> dict[str, Any]:
        """The next response; a process that gives none in time, or none at all, is killed.

        So is one whose caller is gone: what it says later would be taken for another's.
        """
        done = False
        try:
            async with asyncio.timeout(most_seconds):
                response = await self._next_response(request)
            done = True
        except TimeoutError:
            message = f"gave no answer within {most_seconds:g} s and was stopped"
            raise Fault(message) from None
        finally:
            if not done:
                await self._kill()
        if "fault" in response:
            raise Fault(response["fault"])
        return response

    async def _next_response(self, request: str) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = b""
        with suppress(ConnectionError):
            if request:
                self._process.stdin.write(f"{request}\n".encode())
                await self._process.stdin.drain()
            try:
                line = await self._process.stdout.readline()
            except ValueError as error:
                raise Fault(f"gave more than {_MOST_RESPONSE_BYTES:,} bytes of values") from error
        if not line.endswith(b"\n"):
            raise Fault("ended its process without an answer")
        response: dict[str, Any] = json.loads(line)
        return response

    async def _kill(self) -> None:
        """With all processes that it has started."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
