"""Further hosts that are lent to the learner: who they are, and what runs on them."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from learner_service.errors import HostRefused
from learner_service.events import WorkerFailed
from learner_service.queue.worker_process import WorkerExit
from tally.messages.message import Message

_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class StartRanks:
    """`token` is that of the attempt; of its hosts this one is number `host_number`."""

    host_number: int
    token: str


@dataclass(frozen=True)
class StopRanks:
    pass


Order = StartRanks | StopRanks


class Host:
    """One that is lent; `orders` is what it is to be told, and None when there is no more."""

    def __init__(self, name: str, processes: int) -> None:
        self.name = name
        self.processes = processes
        self.orders: asyncio.Queue[Order | None] = asyncio.Queue()
        self._exited: asyncio.Future[WorkerExit] | None = None
        self._lost: WorkerExit | None = None

    async def run(self, order: StartRanks) -> WorkerExit:
        """Starts ranks on it, and waits for their end or its own."""
        if self._lost:
            return self._lost
        self._exited = asyncio.get_running_loop().create_future()
        self.orders.put_nowait(order)
        return await self._exited

    def stop(self) -> None:
        """Asks for an end of what runs."""
        if self._exited and not self._exited.done():
            self.orders.put_nowait(StopRanks())

    def end(self, exited: WorkerExit) -> None:
        """What ran has ended."""
        if self._exited and not self._exited.done():
            self._exited.set_result(exited)

    def lose(self, why: Message) -> None:
        """It is not there any more; the first reason stands."""
        if self._lost is None:
            failure = WorkerFailed.of(why, retryable=True)
            self._lost = WorkerExit(code=1, failure=failure)
            self.end(self._lost)
            self.orders.put_nowait(None)


class Hosts:
    """Those that are lent now, in the order in which they came."""

    def __init__(self) -> None:
        self._hosts: dict[str, Host] = {}

    @contextmanager
    def lend(self, name: str, processes: int) -> Iterator[Host]:
        """The host, for as long as the context is open. Raises HostRefused."""
        if name in self._hosts:
            raise HostRefused(f"a host named {name} is lent already; give this one another name")
        host = self._hosts[name] = Host(name, processes)
        try:
            yield host
        finally:
            del self._hosts[name]
            host.lose(Message("host_left", host=host.name))

    async def wait_for(
        self, number: int, wait_seconds: float, is_over: Callable[[], bool]
    ) -> list[Host]:
        """That many of them; fewer where more don't come in time, or once `is_over()`."""
        deadline = time.monotonic() + wait_seconds
        while len(self._hosts) < number and time.monotonic() < deadline and not is_over():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(_POLL_SECONDS)
        return list(self._hosts.values())[:number]

    def close(self) -> None:
        """Lets all of them go."""
        for host in self._hosts.values():
            host.orders.put_nowait(None)
