"""A host lent to a learner over real gRPC: what it is told, what it says, and silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from learner_service.blobs.blob_servicer import BlobServicer
from learner_service.blobs.blob_store import BlobStore
from learner_service.events import WorkerFailed
from learner_service.host import agent as agent_module
from learner_service.host.agent import HostAgent
from learner_service.host.host_client import HostClient
from learner_service.host.settings import HostSettings
from learner_service.host_servicer import HostServicer
from learner_service.job_folder.layout import JobFolder
from learner_service.job_folder.task import Launch, WorkerTask
from learner_service.queue.hosts import Host, Hosts, StartRanks
from learner_service.queue.worker_links import FarLink, WorkerLinks
from learner_service.queue.worker_process import WorkerExit
from learner_service.rendezvous_settings import RendezvousSettings
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec
from learner_service.worker_access import WorkerAccess
from learner_service.worker_place import WorkerPlace
from learner_service.worker_servicer import WorkerServicer
from tally.blob.v1.blob_pb2_grpc import add_BlobServiceServicer_to_server
from tally.learner.v1 import host_pb2 as pb
from tally.learner.v1.host_pb2_grpc import HostServiceStub, add_HostServiceServicer_to_server
from tally.learner.v1.worker_pb2_grpc import add_WorkerServiceServicer_to_server
from tally.messages.message import Message
from tally.rpc.channel import open_channel
from tally.rpc.release import installed_release
from tally.rpc.settings import ClientSettings
from tests.fakes.serving import serve
from tests.waiting import eventually

OFFER = {"host_name": "b", "processes": 2, "release": installed_release()}


SECRET = "s3cret-" * 6


class ScriptedProcess:
    """Stands for WorkerProcess on the host: runs until it is stopped, or exits as it is told to."""

    def __init__(self) -> None:
        self.exits_with: WorkerExit | None = None
        self.tasks: list[WorkerTask] = []
        self.killed = False
        self._stopped = asyncio.Event()

    def __call__(self, task: WorkerTask, stop_seconds: float, link: FarLink) -> "ScriptedProcess":
        self.tasks.append(task)
        self.access = WorkerAccess.of(link.variables)
        self.place = WorkerPlace.of(link.variables)
        return self

    async def run(self, on_event) -> WorkerExit:
        if self.exits_with:
            return self.exits_with
        try:
            await self._stopped.wait()
        except asyncio.CancelledError:
            self.killed = True
            raise
        return WorkerExit(code=0, failure=None)

    def stop(self) -> None:
        self._stopped.set()


def learner_settings(tmp_path: Path, **changes: object) -> LearnerSettings:
    return LearnerSettings(
        data_dir=tmp_path / "learner",
        rendezvous=RendezvousSettings(address="192.0.2.1", interface="eth7"),
        rollout=ClientSettings(target="rollout:1"),
        **{"nodes_per_job": 2, "host_silence_seconds": 60.0} | changes,
    )


class Lender:
    """The learner's side: its hosts, an attempt of which one has a share, the port of both."""

    def __init__(self, settings: LearnerSettings) -> None:
        self.settings = settings
        self.hosts = Hosts()
        self.links = WorkerLinks()
        self.store = BlobStore(settings.data_dir / "blobs")
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Lender"]:
        def add(_, server: grpc.aio.Server) -> None:
            servicer = HostServicer(self.hosts, self.settings)
            add_HostServiceServicer_to_server(servicer, server)
            add_BlobServiceServicer_to_server(BlobServicer(self.store), server)
            add_WorkerServiceServicer_to_server(WorkerServicer(self.links), server)

        link = self.links.make(self.task())
        self.order = StartRanks(host_number=1, token=link.access.token)
        with self.links.open(link):
            async with serve(add, None) as server:
                self.port = server.port
                yield self

    async def host(self) -> Host:
        (host,) = await self.hosts.wait_for(1, 600, lambda: False)
        return host

    async def is_left(self) -> bool:
        return not await self.hosts.wait_for(1, 0, lambda: True)

    def task(self) -> WorkerTask:
        return WorkerTask(
            job_id="one",
            folder_path=self.settings.data_dir / "jobs" / "one",
            blobs=self.store.root,
            model_source="/models/there/small",
            attempt=1,
            spec=JobSpec(dataset_digest=self.store.put_bytes(b"data"), base_model="small"),
            settings=self.settings,
            launch=Launch(processes_by_host=(1, 2), rendezvous=self.settings.rendezvous),
        )


@pytest.fixture
async def lender(tmp_path: Path) -> AsyncIterator[Lender]:
    async with Lender(learner_settings(tmp_path)).serving() as lender:
        yield lender


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> ScriptedProcess:
    process = ScriptedProcess()
    monkeypatch.setattr(agent_module, "WorkerProcess", process)
    return process


@asynccontextmanager
async def lent(lender: Lender, tmp_path: Path) -> AsyncIterator[None]:
    settings = HostSettings(
        learner=ClientSettings(target=f"127.0.0.1:{lender.port}"),
        name="b",
        processes=2,
        data_dir=tmp_path / "host",
        interface="eth3",
        services_secret=SECRET,
    )
    async with open_channel(settings.learner, idempotent_methods=()) as channel:
        agent = HostAgent(settings, HostClient(channel))
        running = asyncio.create_task(agent.run())
        yield
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_share_has_the_hosts_own_folders_and_speaks_for_the_attempt(
    lender: Lender, process: ScriptedProcess, tmp_path: Path
):
    task, own = lender.task(), tmp_path / "host"
    (own / "jobs" / "earlier").mkdir(parents=True)
    (own / "scratch" / "earlier-1").mkdir(parents=True)
    async with lent(lender, tmp_path):
        host = await lender.host()
        running = asyncio.create_task(host.run(lender.order))
        await eventually(lambda: process.tasks)
        host.stop()
        assert await running == WorkerExit(code=0, failure=None)
    (there,) = process.tasks
    learner = ClientSettings(target=f"127.0.0.1:{lender.port}")
    assert process.access == WorkerAccess(learner=learner, token=lender.order.token, secret=SECRET)
    assert process.place.localise(task.model_dump_json()) == there
    assert there.launch.host_number == 1
    assert there.folder == JobFolder.of_job(own, "one")
    assert [path.name for path in (own / "jobs").iterdir()] == ["one"]
    assert not (own / "scratch").exists()
    assert there.settings.data_dir == own
    assert there.scratch == own / "scratch" / "one-1"
    assert there.launch.rendezvous == RendezvousSettings(address="192.0.2.1", interface="eth3")
    assert there.settings.rollout == task.settings.rollout
    assert there.model_source == "/models/there/small"


async def test_why_a_share_ended_reaches_the_learner(
    lender: Lender, process: ScriptedProcess, tmp_path: Path
):
    failure = WorkerFailed(message="rank 1 of 3 on b ended (signal 9)", retryable=True)
    process.exits_with = WorkerExit(code=1, failure=failure)
    async with lent(lender, tmp_path):
        host = await lender.host()
        assert await host.run(lender.order) == process.exits_with


async def test_a_share_that_cannot_be_prepared_says_so(
    lender: Lender, process: ScriptedProcess, tmp_path: Path
):
    async with lent(lender, tmp_path):
        host = await lender.host()
        (tmp_path / "host").write_text("no folder")
        exited = await host.run(lender.order)
    assert exited.failure
    assert exited.failure.message.startswith("host b could not start its share: ")
    assert not process.tasks


async def test_a_host_that_leaves_ends_what_it_ran(
    lender: Lender, process: ScriptedProcess, tmp_path: Path
):
    async with lent(lender, tmp_path):
        host = await lender.host()
        running = asyncio.create_task(host.run(lender.order))
        await eventually(lambda: process.tasks)
    exited = await running
    assert exited.failure == WorkerFailed.of(Message("host_left", host="b"), retryable=True)
    assert process.killed


async def test_a_silent_host_is_lost(tmp_path: Path):
    settings = learner_settings(tmp_path, host_silence_seconds=0.5)
    async with Lender(settings).serving() as lender, raw_channel(lender) as channel:
        call = HostServiceStub(channel).LendHost()
        await call.write(pb.LendHostRequest(offer=pb.HostOffer(**OFFER)))
        host = await lender.host()
        exited = await host.run(StartRanks(host_number=1, token="t"))
        assert exited.failure
        assert exited.failure.message == "host b has been silent for 0.5 seconds"
        await eventually(lender.is_left)


async def test_a_host_kills_what_it_runs_for_a_learner_that_is_gone(
    process: ScriptedProcess, tmp_path: Path
):
    lender = Lender(learner_settings(tmp_path))
    async with lender.serving():
        lending = lent(lender, tmp_path)
        await lending.__aenter__()
        host = await lender.host()
        running = asyncio.create_task(host.run(lender.order))
        await eventually(lambda: process.tasks)
    await eventually(lambda: process.killed)
    await running
    await lending.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"release": "0.1"}, grpc.StatusCode.FAILED_PRECONDITION, "install the same"),
        ({"processes": 0}, grpc.StatusCode.INVALID_ARGUMENT, "an offer"),
        ({"processes": 2**32 - 1}, grpc.StatusCode.INVALID_ARGUMENT, "offer.processes"),
        ({"host_name": "b\x1b[31m"}, grpc.StatusCode.INVALID_ARGUMENT, "offer.host_name"),
        ({"host_name": "b" * 201}, grpc.StatusCode.INVALID_ARGUMENT, "offer.host_name"),
    ],
)
async def test_an_offer_that_does_not_fit_is_refused(
    lender: Lender, changes: dict[str, object], status: grpc.StatusCode, words: str
):
    async with raw_channel(lender) as channel:
        offer = pb.LendHostRequest(offer=pb.HostOffer(**OFFER | changes))
        with pytest.raises(grpc.aio.AioRpcError, match=words) as caught:
            await anext(aiter(HostServiceStub(channel).LendHost(iter([offer]))))
        assert caught.value.code() is status


async def test_a_caller_that_offers_nothing_is_given_up(tmp_path: Path):
    async def nothing() -> AsyncIterator[pb.LendHostRequest]:
        await asyncio.Event().wait()
        yield pb.LendHostRequest()

    settings = learner_settings(tmp_path, host_silence_seconds=0.2)
    async with Lender(settings).serving() as lender, raw_channel(lender) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="no offer came") as caught:
            await anext(aiter(HostServiceStub(channel).LendHost(nothing())))
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_learner_of_one_host_and_a_name_that_is_taken_refuse(tmp_path: Path):
    settings = learner_settings(tmp_path, nodes_per_job=1)
    offer = pb.LendHostRequest(offer=pb.HostOffer(**OFFER))
    async with Lender(settings).serving() as lender, raw_channel(lender) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="set its nodes_per_job"):
            await anext(aiter(HostServiceStub(channel).LendHost(iter([offer]))))
    async with Lender(learner_settings(tmp_path)).serving() as lender:
        with lender.hosts.lend("b", 1):
            async with raw_channel(lender) as channel:
                with pytest.raises(grpc.aio.AioRpcError, match="lent already"):
                    await anext(aiter(HostServiceStub(channel).LendHost(iter([offer]))))


def raw_channel(lender: Lender) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{lender.port}")
