"""`python -m learner_service`: serves learner.v1 and blob.v1."""

import asyncio
import sys

import grpc

from learner_service.blobs.blob_servicer import BlobServicer
from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import StoreUnavailable, UnknownModel
from learner_service.host_servicer import HostServicer
from learner_service.interactive import Interactive
from learner_service.job_check import JobCheck
from learner_service.models import ModelList
from learner_service.queue.database import open_database
from learner_service.queue.hosts import Hosts
from learner_service.queue.job_store import JobStore
from learner_service.queue.jobs import Jobs
from learner_service.servicer import LearnerServicer
from learner_service.settings import LearnerSettings
from tally.blob.v1.blob_pb2_grpc import add_BlobServiceServicer_to_server
from tally.database.errors import DatabaseInUse, NewerDatabase
from tally.host.locks import hold_or_exit
from tally.learner.v1.host_pb2_grpc import add_HostServiceServicer_to_server
from tally.learner.v1.learner_pb2_grpc import add_LearnerServiceServicer_to_server
from tally.logs.setup import configure_logging
from tally.rpc.server import RpcServer, serve

SERVICE_NAMES = (
    "tally.learner.v1.LearnerService",
    "tally.learner.v1.HostService",
    "tally.blob.v1.BlobService",
)


async def run(settings: LearnerSettings) -> None:
    blobs = BlobStore(settings.data_dir / "blobs")
    blobs.sweep()
    store = JobStore(open_database(settings))
    models = ModelList(settings.models)
    hosts = Hosts()
    jobs = Jobs(settings, store, blobs, models, hosts, check=JobCheck(settings, blobs).check)
    interactive = Interactive(settings, models, blobs)

    def register(server: grpc.aio.Server) -> None:
        add_LearnerServiceServicer_to_server(LearnerServicer(jobs, interactive), server)
        add_HostServiceServicer_to_server(HostServicer(hosts, settings), server)
        add_BlobServiceServicer_to_server(BlobServicer(blobs, settings.blobs), server)

    queue: list[asyncio.Task[None]] = []

    async def load() -> None:
        await asyncio.to_thread(jobs.claim_blobs)
        await asyncio.to_thread(models.check)
        queue.append(asyncio.create_task(jobs.run()))

    async def watch() -> None:
        # A learner whose queue is dead serves nobody; the end of watching is not the queue's end.
        await asyncio.shield(queue[0])

    async def drain() -> None:
        await jobs.stop()
        await asyncio.gather(*queue, return_exceptions=True)
        hosts.close()

    server = RpcServer(
        settings.server, service_names=SERVICE_NAMES, register=register, secret=settings.secret
    )
    try:
        await serve(server, settings.server, load=load, watch=watch, drain=drain)
    finally:
        store.close()


def main() -> None:
    settings = LearnerSettings.read()
    configure_logging("learner", settings.log_level, settings.log_format)
    in_use = "another learner uses this data_dir; choose another one"
    with hold_or_exit(settings.data_dir, in_use):
        try:
            asyncio.run(run(settings))
        except DatabaseInUse:
            sys.exit("another learner uses this database; choose another database_url")
        except (NewerDatabase, StoreUnavailable, UnknownModel) as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
