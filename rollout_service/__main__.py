"""`python -m rollout_service`: settings come from the environment and the command line."""

import asyncio
import sys
from pathlib import Path

from rollout_service.blobs.blob_cache import BlobCache
from rollout_service.blobs.cache_folder import place_cache
from rollout_service.engine_choice import build_engine
from rollout_service.errors import UnusableEngine
from rollout_service.servicer import SERVICE_NAME, RolloutServicer
from rollout_service.settings import RolloutSettings
from tally.families.family import UnsupportedModel
from tally.logs.setup import configure_logging
from tally.metrics.calls import CallMetrics
from tally.metrics.page import metrics_page
from tally.rollout.v1 import rollout_pb2_grpc
from tally.rpc.blobs import IDEMPOTENT_METHODS, BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.server import RpcServer, serve
from tally.sampling.engine import Engine
from tally.traces.setup import trace_to


def main() -> None:
    settings = RolloutSettings.read()
    configure_logging("rollout", settings.log_level, settings.log_format)
    try:
        with (
            place_cache(settings) as (placed, folder),
            trace_to(settings.trace_endpoint, "rollout"),
        ):
            asyncio.run(run(placed, build_engine(placed), folder))
    except (UnusableEngine, UnsupportedModel) as error:
        sys.exit(str(error))


async def run(settings: RolloutSettings, engine: Engine, folder: Path) -> None:
    """Serves `engine` until SIGTERM; blobs are kept in `folder`."""
    async with open_channel(
        settings.blob, idempotent_methods=IDEMPOTENT_METHODS, secret=settings.secret
    ) as channel:
        blobs = BlobCache(folder, settings.cache_bytes, BlobClient(channel))
        servicer = RolloutServicer(settings, engine, blobs)
        server = RpcServer(
            settings.server,
            service_names=[SERVICE_NAME],
            register=lambda s: rollout_pb2_grpc.add_RolloutServiceServicer_to_server(servicer, s),
            secret=settings.secret,
            interceptors=[CallMetrics(servicer.metrics.registry, [SERVICE_NAME])],
        )
        dropping = asyncio.create_task(blobs.drop_unused(settings.cache_seconds))
        try:
            with metrics_page(settings, settings.server.host, servicer.metrics.registry):
                await serve(server, settings.server, load=servicer.load, watch=engine.watch)
        finally:
            dropping.cancel()
            await engine.close()
            blobs.close()


if __name__ == "__main__":
    main()
