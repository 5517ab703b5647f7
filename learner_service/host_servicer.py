"""learner.v1's HostService over the hosts that are lent."""

import asyncio
from collections.abc import AsyncIterator

import grpc

from learner_service.errors import HostRefused
from learner_service.events import MOST_REASON_CHARACTERS, WorkerFailed
from learner_service.queue.hosts import Host, Hosts, Order, StartRanks
from learner_service.queue.worker_process import WorkerExit
from learner_service.settings import LearnerSettings
from tally.job.settings import MOST_NAME_CHARACTERS
from tally.learner.v1 import host_pb2 as pb
from tally.learner.v1 import host_pb2_grpc
from tally.messages.convert import read_said
from tally.messages.message import Message
from tally.messages.service_errors import quote_service
from tally.rpc.deadlines import limit_time
from tally.rpc.errors import InvalidArgument
from tally.rpc.release import installed_release

_MOST_PROCESSES = 1024


class HostServicer(host_pb2_grpc.HostServiceServicer):
    def __init__(self, hosts: Hosts, settings: LearnerSettings) -> None:
        self._hosts = hosts
        self._nodes_per_job = settings.nodes_per_job
        self._silence_seconds = settings.host_silence_seconds

    async def LendHost(
        self,
        request_iterator: AsyncIterator[pb.LendHostRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[pb.LendHostResponse]:
        silence = f"no offer came for {self._silence_seconds:g} seconds"
        async with limit_time(self._silence_seconds, silence):
            offer = await _offer(request_iterator)
        self._check(offer)
        with self._hosts.lend(offer.host_name, offer.processes) as host:
            listening = asyncio.create_task(self._listen(host, request_iterator))
            try:
                welcome = pb.HostWelcome(silence_seconds=self._silence_seconds)
                yield pb.LendHostResponse(welcome=welcome)
                async for response in self._responses(host):
                    yield response
            finally:
                listening.cancel()

    def _check(self, offer: pb.HostOffer) -> None:
        if self._nodes_per_job == 1:
            raise HostRefused("this learner's jobs run on one host; set its nodes_per_job")
        if offer.release != installed_release():
            raise HostRefused(
                f"this host has release {offer.release} and the learner {installed_release()}; "
                "install the same"
            )

    async def _listen(self, host: Host, requests: AsyncIterator[pb.LendHostRequest]) -> None:
        """Hears what the host says until it leaves, or is silent for too long."""
        try:
            while True:
                async with asyncio.timeout(self._silence_seconds):
                    request = await anext(requests)
                if request.WhichOneof("message") == "ranks_ended":
                    host.end(_exit_of(request.ranks_ended))
        except TimeoutError:
            host.lose(Message("host_silent", host=host.name, seconds=self._silence_seconds))
        except StopAsyncIteration:
            host.lose(Message("host_left", host=host.name))
        except InvalidArgument as error:
            host.lose(Message("host_not_understood", host=host.name, reason=quote_service(error)))

    async def _responses(self, host: Host) -> AsyncIterator[pb.LendHostResponse]:
        """What the host is to be told, and signs of life in between."""
        while True:
            try:
                async with asyncio.timeout(self._silence_seconds / 4):
                    order = await host.orders.get()
            except TimeoutError:
                yield pb.LendHostResponse(sign_of_life=pb.SignOfLife())
                continue
            if order is None:
                return
            yield _response(order)


async def _offer(requests: AsyncIterator[pb.LendHostRequest]) -> pb.HostOffer:
    offer = (await anext(requests, pb.LendHostRequest())).offer
    if not (offer.host_name and offer.processes):
        raise InvalidArgument("the first message must be an offer with host_name and processes")
    if len(offer.host_name) > MOST_NAME_CHARACTERS or not offer.host_name.isprintable():
        raise InvalidArgument(
            f"offer.host_name: expected at most {MOST_NAME_CHARACTERS} printable characters"
        )
    if offer.processes > _MOST_PROCESSES:
        raise InvalidArgument(f"offer.processes: expected at most {_MOST_PROCESSES}")
    return offer


def _response(order: Order) -> pb.LendHostResponse:
    if isinstance(order, StartRanks):
        start = pb.StartRanks(host_number=order.host_number, token=order.token)
        return pb.LendHostResponse(start_ranks=start)
    return pb.LendHostResponse(stop_ranks=pb.StopRanks())


def _exit_of(message: pb.RanksEnded) -> WorkerExit:
    failure = None
    if message.message:
        failure = WorkerFailed(
            message=message.message[:MOST_REASON_CHARACTERS],
            retryable=message.retryable,
            said=read_said(message, 4 * MOST_REASON_CHARACTERS),
        )
    return WorkerExit(code=message.exit_code, failure=failure)
