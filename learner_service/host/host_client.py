"""The host's side of learner.v1's HostService."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from learner_service.queue.hosts import Order, StartRanks, StopRanks
from learner_service.queue.worker_process import WorkerExit
from tally.learner.v1 import host_pb2 as pb
from tally.learner.v1 import host_pb2_grpc
from tally.messages.convert import coded_json
from tally.rpc.errors import Unavailable, translate_errors
from tally.rpc.release import installed_release

_log = logging.getLogger(__name__)
_FIRST_SILENCE_SECONDS = 10.0


class HostLoan:
    """A host that is lent: what the learner wants of it, and what it has to say."""

    def __init__(self, name: str, processes: int) -> None:
        offer = pb.HostOffer(host_name=name, processes=processes, release=installed_release())
        self._said: asyncio.Queue[pb.LendHostRequest] = asyncio.Queue()
        self._said.put_nowait(pb.LendHostRequest(offer=offer))
        self._silence_seconds = _FIRST_SILENCE_SECONDS

    def end(self, exited: WorkerExit) -> None:
        """Says how what ran has ended."""
        ended, failure = pb.RanksEnded(exit_code=exited.code), exited.failure
        if failure:
            ended = pb.RanksEnded(
                exit_code=exited.code,
                message=failure.message,
                retryable=failure.retryable,
                said=coded_json(failure.said),
            )
        self._said.put_nowait(pb.LendHostRequest(ranks_ended=ended))

    async def requests(self) -> AsyncIterator[pb.LendHostRequest]:
        """What is said, and signs of life in between."""
        while True:
            try:
                async with asyncio.timeout(self._silence_seconds / 4):
                    request = await self._said.get()
            except TimeoutError:
                request = pb.LendHostRequest(sign_of_life=pb.SignOfLife())
            yield request

    async def orders(self, responses: AsyncIterator[pb.LendHostResponse]) -> AsyncIterator[Order]:
        """What the learner wants, until it lets the host go; raises Unavailable once it is lost."""
        async with translate_errors():
            while True:
                try:
                    async with asyncio.timeout(self._silence_seconds):
                        response = await anext(responses)
                except TimeoutError:
                    raise Unavailable("the learner is silent") from None
                except StopAsyncIteration:
                    return
                match response.WhichOneof("message"):
                    case "welcome":
                        _log.info("lent to the learner")
                        self._silence_seconds = response.welcome.silence_seconds
                    case "start_ranks":
                        start = response.start_ranks
                        yield StartRanks(host_number=start.host_number, token=start.token)
                    case "stop_ranks":
                        yield StopRanks()


class HostClient:
    """Lends a host over a channel to the learner."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = host_pb2_grpc.HostServiceStub(channel)

    @asynccontextmanager
    async def lend(
        self, name: str, processes: int
    ) -> AsyncIterator[tuple[HostLoan, AsyncIterator[Order]]]:
        """The loan and the learner's orders; it ends with the context."""
        loan = HostLoan(name, processes)
        call = self._stub.LendHost(loan.requests())
        try:
            yield loan, loan.orders(aiter(call))
        finally:
            call.cancel()
