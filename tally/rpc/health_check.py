"""`python -m tally.rpc.health_check TALLY_REWARD_`: whether the service beside it says SERVING.

For images: the address and the certificates are those of the service's own environment, whose
prefix is the argument. Exits with 0 where health is SERVING, with 1 where it isn't, and with 2
where the environment names no port.
"""

import asyncio
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tally.rpc.channel import open_channel
from tally.rpc.settings import ClientSettings, ServerSettings

_TIMEOUT_SECONDS = 4.0
_EVERY_INTERFACE = {"", "0.0.0.0", "[::]"}


class _ServiceAddress(BaseSettings):
    """The part of a service's settings that says where it listens."""

    model_config = SettingsConfigDict(env_nested_delimiter="__", extra="ignore")

    server: ServerSettings = Field(ServerSettings(), description="Where the service listens.")


def main() -> None:
    (prefix,) = sys.argv[1:]
    server = _ServiceAddress(_env_prefix=prefix).server
    if not server.port:
        sys.stderr.write(f"set {prefix}SERVER__PORT: there is no telling where it listens\n")
        sys.exit(2)
    sys.exit(asyncio.run(_check(server)))


async def _check(server: ServerSettings) -> int:
    host = "localhost" if server.host in _EVERY_INTERFACE else server.host
    settings = ClientSettings(
        target=f"{host}:{server.port}", timeout_seconds=_TIMEOUT_SECONDS, tls=server.tls
    )
    async with open_channel(settings, idempotent_methods=()) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest()
            )
        except grpc.aio.AioRpcError as error:
            sys.stderr.write(f"{error.code().name}: {error.details()}\n")
            return 1
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        sys.stderr.write(f"{health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)}\n")
        return 1
    return 0


if __name__ == "__main__":
    main()
