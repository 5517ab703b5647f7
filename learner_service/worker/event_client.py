"""An attempt's events on their way to the service, over one connection after another."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc

from learner_service.clients.background import BackgroundLoop
from learner_service.worker.connection_patience import ConnectionPatience
from learner_service.worker.outbox import Message, Outbox
from tally.learner.v1 import worker_pb2 as pb
from tally.learner.v1 import worker_pb2_grpc
from tally.rpc.errors import (
    FailedPrecondition,
    InvalidArgument,
    TallyError,
    Unauthenticated,
    Unavailable,
    translate_errors,
)

PAUSE_SECONDS = 0.5
# What a step reports comes within this time, and goes together.
_GATHER_SECONDS = 0.02
# What no later try changes.
_REFUSALS = (FailedPrecondition, InvalidArgument, Unauthenticated)


class EventClient:
    """Sends again what was not acknowledged. `on_stop` is called where the service wants the
    attempt to end, and where nothing more comes of it."""

    def __init__(
        self, loop: BackgroundLoop, patience: ConnectionPatience, on_stop: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._patience = patience
        self._on_stop = on_stop
        self._news = asyncio.Event()
        self._sending: asyncio.TimerHandle | None = None
        self._outbox = Outbox(lambda: loop.call_soon(self._gather))
        self._acknowledged = 0

    def put(self, message: Message) -> None:
        """Returns before it is sent. Raises as `settle` does."""
        self._outbox.put(message)

    def settle(self) -> None:
        """Returns once everything that was put is acknowledged.

        Raises FailedPrecondition where the attempt is over, Unavailable where the service is gone.
        """
        self._loop.call_soon(self._send)
        self._outbox.settle()

    async def run(self, channel: grpc.aio.Channel) -> None:
        """Until it is cancelled or nothing more comes of it."""
        try:
            while True:
                try:
                    await self._send_over_one_call(channel)
                except _REFUSALS:
                    raise
                except TallyError as error:
                    self._patience.check(error)
                    await asyncio.sleep(PAUSE_SECONDS)
        except TallyError as error:
            self._outbox.end(error)
            self._on_stop()

    async def _send_over_one_call(self, channel: grpc.aio.Channel) -> None:
        over = asyncio.Event()
        stub = worker_pb2_grpc.WorkerServiceStub(channel)
        call = stub.ReportEvents(self._requests(over))
        try:
            async with translate_errors():
                async for response in call:
                    self._hear(response)
            raise Unavailable("the service has ended the stream")
        finally:
            call.cancel()
            over.set()
            self._news.set()  # a call that broke off by itself leaves its requests waiting

    async def _requests(self, over: asyncio.Event) -> AsyncIterator[pb.ReportEventsRequest]:
        sent = self._acknowledged
        while not over.is_set():
            self._news.clear()
            for number, message in self._outbox.after(sent):
                yield pb.ReportEventsRequest(number=number, **message.fields())
                sent = number
            await self._news.wait()

    def _gather(self) -> None:
        """Sends what was put once what belongs to it has come."""
        self._sending = self._sending or asyncio.get_running_loop().call_later(
            _GATHER_SECONDS, self._send
        )

    def _send(self) -> None:
        if self._sending:
            self._sending.cancel()
        self._sending = None
        self._news.set()

    def _hear(self, response: pb.ReportEventsResponse) -> None:
        if response.WhichOneof("message") == "stop":
            self._on_stop()
            return
        number = response.acknowledged_number
        if number > self._acknowledged or not self._outbox.after(number):
            # A message that ends stream after stream is no sign of life.
            self._patience.renew()
        self._acknowledged = number
        self._outbox.acknowledge(number)
