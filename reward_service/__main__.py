"""`python -m reward_service`: serves reward.v1."""

import asyncio

from reward_service.installed.installed_rewards import InstalledRewards
from reward_service.servicer import SERVICE_NAME, RewardServicer
from reward_service.settings import RewardSettings
from tally.logs.setup import configure_logging
from tally.metrics.calls import CallMetrics
from tally.metrics.page import metrics_page
from tally.reward.v1 import reward_pb2_grpc
from tally.rpc.server import RpcServer, serve
from tally.traces.setup import trace_to


def main() -> None:
    settings = RewardSettings.read()
    configure_logging("reward", settings.log_level, settings.log_format)
    with trace_to(settings.trace_endpoint, "reward"):
        asyncio.run(_run(settings))


async def _run(settings: RewardSettings) -> None:
    installed = InstalledRewards(settings.installed)
    servicer = RewardServicer(installed)
    registry = servicer.metrics.registry
    server = RpcServer(
        settings.server,
        service_names=[SERVICE_NAME],
        register=lambda server: reward_pb2_grpc.add_RewardServiceServicer_to_server(
            servicer, server
        ),
        secret=settings.secret,
        interceptors=[CallMetrics(registry, [SERVICE_NAME])],
    )
    with metrics_page(settings, settings.server.host, registry):
        try:
            await serve(server, settings.server, load=installed.load)
        finally:
            await installed.close()


if __name__ == "__main__":
    main()
