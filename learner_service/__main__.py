"""`python -m learner_service`: serves learner.v1 and blob.v1."""

import asyncio
import sys
from contextlib import nullcontext

import grpc

from learner_service.blobs.blob_servicer import BlobServicer
from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import StoreUnavailable, UnknownModel
from learner_service.host_servicer import HostServicer
from learner_service.interactive import Interactive
from learner_service.job_check import JobCheck
from learner_service.job_folder.layout import sweep_scratch
from learner_service.merged_models import MergedModels
from learner_service.metrics import LearnerMetrics
from learner_service.models import ModelList
from learner_service.own_engine import OwnEngine
from learner_service.queue.database import open_database
from learner_service.queue.hosts import Hosts
from learner_service.queue.job_store import JobStore
from learner_service.queue.jobs import Jobs
from learner_service.queue.local_placement import LocalPlacement
from learner_service.queue.placement import Placement
from learner_service.queue.worker_links import WorkerLinks
from learner_service.servicer import LearnerServicer
from learner_service.settings import LearnerSettings
from learner_service.worker_servicer import WorkerServicer, serve_workers
from tally.blob.v1.blob_pb2_grpc import add_BlobServiceServicer_to_server
from tally.database.errors import DatabaseInUse, NewerDatabase
from tally.host.locks import hold_or_exit
from tally.learner.v1.host_pb2_grpc import add_HostServiceServicer_to_server
from tally.learner.v1.learner_pb2_grpc import add_LearnerServiceServicer_to_server
from tally.learner.v1.worker_pb2_grpc import add_WorkerServiceServicer_to_server
from tally.logs.setup import configure_logging
from tally.metrics.calls import CallMetrics
from tally.metrics.page import metrics_page
from tally.rpc.server import RpcServer, serve
from tally.traces.setup import trace_to

SERVICE_NAMES = (
    "tally.learner.v1.LearnerService",
    "tally.learner.v1.HostService",
    "tally.learner.v1.WorkerService",
    "tally.blob.v1.BlobService",
)


async def run(settings: LearnerSettings) -> None:
    blobs = BlobStore(settings.data_dir / "blobs")
    blobs.sweep()
    sweep_scratch(settings.data_dir)
    metrics = LearnerMetrics(settings.data_dir)
    store = JobStore(open_database(settings), metrics.note)
    metrics.read_jobs(store.count_by_state)
    models = ModelList(settings.models)
    hosts = Hosts()
    links = WorkerLinks()
    placement = _make_placement(settings, hosts, links)
    own_engine = OwnEngine(settings, models, blobs.root) if settings.samples_inside else None
    jobs = Jobs(
        settings,
        store,
        blobs,
        models,
        placement,
        check=JobCheck(settings, blobs).check,
        make_way=own_engine.away if own_engine else nullcontext,
    )
    interactive = Interactive(settings, models, blobs, own_engine)
    merged = MergedModels(models)

    def register(server: grpc.aio.Server) -> None:
        add_LearnerServiceServicer_to_server(LearnerServicer(jobs, interactive, merged), server)
        add_HostServiceServicer_to_server(HostServicer(hosts, settings), server)
        add_WorkerServiceServicer_to_server(WorkerServicer(links), server)
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
        if own_engine:
            await own_engine.close()

    server = RpcServer(
        settings.server,
        service_names=SERVICE_NAMES,
        register=register,
        secret=settings.secret,
        interceptors=[CallMetrics(metrics.registry, SERVICE_NAMES)],
    )
    try:
        async with serve_workers(links, blobs, settings.blobs):
            with metrics_page(settings, settings.server.host, metrics.registry):
                await serve(server, settings.server, load=load, watch=watch, drain=drain)
    finally:
        store.close()


def _make_placement(settings: LearnerSettings, hosts: Hosts, links: WorkerLinks) -> Placement:
    if settings.placement == "local":
        return LocalPlacement(settings, hosts, links)
    # An extra that others lack.
    from learner_service.ray_cluster.ray_placement import RayPlacement  # noqa: PLC0415

    return RayPlacement(settings, links)


def main() -> None:
    settings = LearnerSettings.read()
    configure_logging("learner", settings.log_level, settings.log_format)
    in_use = "another learner uses this data_dir; choose another one"
    with (
        hold_or_exit(settings.data_dir, in_use),
        trace_to(settings.trace_endpoint, "learner"),
    ):
        try:
            asyncio.run(run(settings))
        except DatabaseInUse:
            sys.exit("another learner uses this database; choose another database_url")
        except (NewerDatabase, StoreUnavailable, UnknownModel) as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
