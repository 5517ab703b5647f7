"""`python -m bench.cluster.learner GPUS STEPS STEP_SECONDS …`: the learner service, its placement
`WaitingPlacement`; what follows are the learner's own settings."""

import asyncio
import io
import sys
import zipfile

import grpc

from bench.cluster.waiting_placement import WaitingPlacement
from learner_service.blobs.blob_servicer import BlobServicer
from learner_service.blobs.blob_store import BlobStore
from learner_service.interactive import Interactive
from learner_service.merged_models import MergedModels
from learner_service.models import ModelList
from learner_service.queue.database import open_database
from learner_service.queue.job_store import JobStore
from learner_service.queue.jobs import Jobs
from learner_service.servicer import LearnerServicer
from learner_service.settings import LearnerSettings
from tally.blob.v1.blob_pb2_grpc import add_BlobServiceServicer_to_server
from tally.learner.v1.learner_pb2_grpc import add_LearnerServiceServicer_to_server
from tally.logs.setup import configure_logging
from tally.rpc.server import RpcServer, serve

_SERVICE_NAMES = ("tally.learner.v1.LearnerService", "tally.blob.v1.BlobService")


def main() -> None:
    gpus, steps, step_seconds, *arguments = sys.argv[1:]
    settings = LearnerSettings.read(arguments)
    configure_logging("learner", settings.log_level, settings.log_format)
    asyncio.run(_run(settings, int(gpus), int(steps), float(step_seconds)))


async def _run(settings: LearnerSettings, gpus: int, steps: int, step_seconds: float) -> None:
    blobs = BlobStore(settings.data_dir / "blobs")
    result = blobs.put_bytes(_result())
    store, models = JobStore(open_database(settings)), ModelList(settings.models)
    placement = WaitingPlacement(gpus, steps, step_seconds, result)
    jobs = Jobs(settings, store, blobs, models, placement)
    interactive, merged = Interactive(settings, models, blobs), MergedModels(models)

    def register(server: grpc.aio.Server) -> None:
        add_LearnerServiceServicer_to_server(LearnerServicer(jobs, interactive, merged), server)
        add_BlobServiceServicer_to_server(BlobServicer(blobs, settings.blobs), server)

    queue = asyncio.create_task(jobs.run())

    async def watch() -> None:
        await asyncio.shield(queue)

    async def drain() -> None:
        await jobs.stop()
        await queue

    server = RpcServer(settings.server, service_names=_SERVICE_NAMES, register=register)
    await serve(server, settings.server, watch=watch, drain=drain)
    store.close()


def _result() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("adapter_config.json", "{}")
    return archive.getvalue()


if __name__ == "__main__":
    main()
