"""The gRPC services of `tally up` as processes, called with bytes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tally.cli.stack.services import plan_services
from tally.cli.stack.stack_secret import read_secret, write_secret
from tally.cli.stack.supervisor import Supervisor
from tally.rpc.secret import secret_metadata
from tally.samples.small_policy import POLICY_PATH
from tests.waiting import PATIENCE_SECONDS

_WIDE = [("grpc.max_send_message_length", -1)]


@dataclass(frozen=True)
class Services:
    """Those that run, by the full name of each service of their servers; their secret and ids."""

    channels: dict[str, grpc.Channel]
    secret: str
    pids: dict[str, int]

    @property
    def shown(self) -> tuple[str, str]:
        return secret_metadata(self.secret)

    def call(
        self, method: str, messages: Iterable[bytes], shown: Sequence[tuple[str, str]]
    ) -> tuple[grpc.StatusCode, str]:
        """The status of a call and what it says; it is given up after its first response."""
        channel = self.channels[method.split("/")[1]]
        call = channel.stream_stream(method)(
            iter(messages), metadata=shown, timeout=PATIENCE_SECONDS
        )
        try:
            next(call, None)
        except grpc.RpcError as error:
            return error.code(), error.details()
        call.cancel()
        return grpc.StatusCode.OK, ""


@contextmanager
def running_services(folder: Path) -> Iterator[Services]:
    """Reward, rollout and learner over `folder`, all of them healthy."""
    planned = plan_services(
        data_dir=folder,
        model=str(POLICY_PATH),
        host="127.0.0.1",
        port=0,
        engine="transformers",
        use_4bit=False,
    )
    services = [service for service in planned if service.name != "gateway"]
    for service in services:  # nothing here makes a call again that meets a connection's end
        name = f"TALLY_{service.name.upper()}_SERVER__CONNECTION_AGE_SECONDS"
        service.environment[name] = "86400"
    write_secret(folder)
    supervisor = Supervisor(
        services, folder / "logs", stopped=lambda: False, report=lambda text: None
    )
    try:
        supervisor.start()
        with ExitStack() as stack:
            channels: dict[str, grpc.Channel] = {}
            for service in services:
                port = service.environment[f"TALLY_{service.name.upper()}_SERVER__PORT"]
                opened = grpc.insecure_channel(f"127.0.0.1:{port}", _WIDE)
                channel = stack.enter_context(opened)
                channels |= dict.fromkeys(_listed(channel), channel)
            pids = {p.service.name: p.pid for p in supervisor.processes if p.pid}
            yield Services(channels, read_secret(folder), pids)
    finally:
        supervisor.stop()


def _listed(channel: grpc.Channel) -> list[str]:
    """Names of the server's services, which reflection tells anyone."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    (response,) = stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE_SECONDS)
    names = [service.name for service in response.list_services_response.service]
    return [name for name in names if not name.startswith("grpc.")]
