"""The engine's process: a base model, its adapters by digest, and rollout.v1 over them."""

import asyncio
import sys
from functools import partial

import torch

from learner_service.blobs.blob_store import BlobStore
from learner_service.inside.engine_servicer import SERVICE_NAME, serve_rollouts
from learner_service.inside.parts import base_parts
from learner_service.inside.rollouts import InsideRollouts
from learner_service.inside.task import EngineTask
from tally.logs.setup import configure_logging
from tally.rpc.server import RpcServer, serve
from tally.rpc.settings import ServerSettings


def run_engine(task_json: str) -> None:
    """Until it is killed, or SIGTERM; of an EngineTask."""
    task = EngineTask.model_validate_json(task_json)
    settings = task.settings
    configure_logging("engine", settings.log_level, settings.log_format)
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    asyncio.run(_serve(task))


async def _serve(task: EngineTask) -> None:
    rollouts = InsideRollouts(BlobStore(task.blobs))
    place = ServerSettings()
    server = RpcServer(
        place,
        service_names=[SERVICE_NAME],
        register=partial(serve_rollouts, rollouts),
        secret=task.settings.secret,
    )

    async def load() -> None:
        await rollouts.load(lambda: base_parts(task.settings, task.source))
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()

    await serve(server, place, load=load, drain=rollouts.close)
