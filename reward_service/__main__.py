"""`python -m reward_service`: serves reward.v1."""

import asyncio

from reward_service.servicer import SERVICE_NAME, RewardServicer
from reward_service.settings import RewardSettings
from tally.logs.setup import configure_logging
from tally.reward.v1 import reward_pb2_grpc
from tally.rpc.server import RpcServer, serve


def main() -> None:
    settings = RewardSettings.read()
    configure_logging("reward", settings.log_level, settings.log_format)
    asyncio.run(_run(settings))


async def _run(settings: RewardSettings) -> None:
    server = RpcServer(
        settings.server,
        service_names=[SERVICE_NAME],
        register=lambda server: reward_pb2_grpc.add_RewardServiceServicer_to_server(
            RewardServicer(), server
        ),
        secret=settings.secret,
    )
    await serve(server, settings.server)


if __name__ == "__main__":
    main()
