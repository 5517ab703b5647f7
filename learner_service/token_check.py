"""Who may call where workers are answered: each call shows the token of an attempt that goes on."""

from collections.abc import Awaitable, Callable

import grpc

from learner_service.errors import Superseded
from learner_service.queue.worker_links import WorkerLinks
from learner_service.worker_access import token_of


class TokenCheck(grpc.aio.ServerInterceptor):
    """Lets through who speaks for an attempt that goes on; each method of its own looks again."""

    def __init__(self, links: WorkerLinks) -> None:
        self._links = links

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        try:
            self._links.find(token_of(handler_call_details.invocation_metadata))
        except Superseded as error:
            return grpc.stream_stream_rpc_method_handler(_refuse(error))
        return await continuation(handler_call_details)


def _refuse(error: Superseded) -> Callable[..., Awaitable[None]]:
    async def refuse(requests: object, context: grpc.aio.ServicerContext) -> None:
        raise error

    return refuse
