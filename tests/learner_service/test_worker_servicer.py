"""Events of an attempt over real gRPC: each once, in order, whatever becomes of the connection."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from learner_service.blobs.blob_store import BlobStore
from learner_service.events import Event, Notice, WorkerFailed, WorkerStarted, to_json
from learner_service.host.output import send_output
from learner_service.job_folder.commits import Place
from learner_service.job_folder.layout import JobFolder
from learner_service.queue.worker_links import WorkerLink, WorkerLinks
from learner_service.worker.service_client import ServiceClient
from learner_service.worker.single_calls import fetch_task
from learner_service.worker_access import WorkerAccess
from learner_service.worker_place import WorkerPlace
from tally.blob.v1.blob_pb2 import StatRequest
from tally.blob.v1.blob_pb2_grpc import BlobServiceStub
from tally.learner.v1 import worker_pb2 as pb
from tally.learner.v1.worker_pb2_grpc import WorkerServiceStub
from tally.rpc.digests import digest_of_file
from tally.rpc.errors import FailedPrecondition, InvalidArgument, Unavailable
from tally.rpc.settings import ClientSettings
from tests.fakes.cut_link import CutLink, served_links
from tests.learner_service.made_up_task import made_up_task
from tests.waiting import PATIENCE_SECONDS, eventually


class Attempt:
    """One that is open: what was taken of it; nothing more is while `gate` is cleared."""

    def __init__(self, links: WorkerLinks, cut_link: CutLink, link: WorkerLink) -> None:
        self.links = links
        self.cut_link = cut_link
        self.link = link
        self.taken: list[Event] = []
        self.coming = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.stop = threading.Event()

    async def take(self, event: Event) -> None:
        self.coming += 1
        await self.gate.wait()
        self.taken.append(event)

    @contextmanager
    def client(self, patience_seconds: float = PATIENCE_SECONDS):
        with ServiceClient(
            self.link.access,
            patience_seconds=patience_seconds,
            on_stop=self.stop.set,
        ) as client:
            yield client

    @asynccontextmanager
    async def stub(self, token: str | None = None) -> AsyncIterator[WorkerServiceStub]:
        learner = ClientSettings(target=self.links.address)
        access = WorkerAccess(learner=learner, token=token or self.link.access.token)
        async with grpc.aio.insecure_channel(learner.target) as channel:
            yield WorkerServiceStub(channel), [access.metadata]


@pytest.fixture
async def attempt(tmp_path: Path, store: BlobStore) -> AsyncIterator[Attempt]:
    task = made_up_task(tmp_path)
    assert task.folder.fence.advance() == task.attempt
    async with served_links(store) as (links, cut_link):
        link = links.make(task)
        with links.open(link):
            attempt = Attempt(links, cut_link, link)
            taking = asyncio.create_task(link.hand_on(attempt.take))
            yield attempt
            taking.cancel()


def notices(first: int, last: int) -> list[Notice]:
    return [Notice(message=f"event {number}") for number in range(first, last + 1)]


async def test_events_are_taken_in_order_and_settled_once_they_are_logged(attempt: Attempt):
    attempt.gate.clear()
    with attempt.client() as client:
        for event in notices(1, 300):
            client.report(event)
        settling = asyncio.ensure_future(asyncio.to_thread(client.settle))
        await eventually(lambda: attempt.coming)
        assert not settling.done()
        attempt.gate.set()
        await settling
    assert attempt.taken == notices(1, 300)


async def test_a_connection_that_is_cut_loses_no_event_and_doubles_none(attempt: Attempt):
    """Cut while an event is half logged, too: that one is sent again, and was taken already."""
    with attempt.client() as client:
        for event in notices(1, 10):
            client.report(event)
        await asyncio.to_thread(client.settle)
        attempt.gate.clear()
        for event in notices(11, 20):
            client.report(event)
        await eventually(lambda: attempt.coming == 11)
        attempt.cut_link.cut()
        for event in notices(21, 30):
            client.report(event)
        attempt.gate.set()
        await eventually(lambda: len(attempt.taken) >= 11)
        attempt.cut_link.mend()
        await asyncio.to_thread(client.settle)
    assert attempt.taken == notices(1, 30)


async def test_a_service_that_is_gone_for_good_ends_the_attempt(attempt: Attempt):
    with attempt.client(patience_seconds=0.2) as client:
        client.report(Notice(message="said"))
        await asyncio.to_thread(client.settle)
        attempt.cut_link.cut()
        assert await asyncio.to_thread(attempt.stop.wait, PATIENCE_SECONDS)
        with pytest.raises(Unavailable, match=r"away for 0\.2 seconds"):
            client.report(Notice(message="not said"))


async def test_a_stop_reaches_the_worker_and_one_that_connects_later(attempt: Attempt):
    with attempt.client():
        attempt.link.ask_to_stop()
        assert await asyncio.to_thread(attempt.stop.wait, PATIENCE_SECONDS)
    attempt.stop.clear()
    with attempt.client():
        assert await asyncio.to_thread(attempt.stop.wait, PATIENCE_SECONDS)


async def test_nothing_of_an_old_attempt_is_taken(attempt: Attempt, tmp_path: Path):
    with attempt.client() as client:
        client.report(Notice(message="in time"))
        await asyncio.to_thread(client.settle)
        made_up_task(tmp_path).folder.fence.advance()  # as another service would
        client.report(Notice(message="too late"))
        with pytest.raises(FailedPrecondition, match="a later attempt at this job has begun"):
            await asyncio.to_thread(client.settle)
        assert attempt.stop.is_set()
        await asyncio.to_thread(client.fail, WorkerFailed(message="why", retryable=True))
    assert attempt.taken == [Notice(message="in time")]
    assert attempt.link.failure is None


async def test_an_attempt_that_is_over_is_refused_while_it_is_connected_and_later(
    tmp_path: Path, store: BlobStore
):
    async with served_links(store) as (links, cut_link):
        link = links.make(made_up_task(tmp_path))
        with links.open(link):
            attempt = Attempt(links, cut_link, link)
            with attempt.client() as client:
                link.ask_to_stop()
                assert await asyncio.to_thread(attempt.stop.wait, PATIENCE_SECONDS)
                attempt.stop.clear()
                link.close_stream()
                assert await asyncio.to_thread(attempt.stop.wait, PATIENCE_SECONDS)
                with pytest.raises(FailedPrecondition, match="is over"):
                    client.report(Notice(message="too late"))
        with attempt.client() as client:
            client.report(Notice(message="too late"))
            with pytest.raises(FailedPrecondition, match="this attempt at its job is over"):
                await asyncio.to_thread(client.settle)


async def test_a_worker_is_told_what_to_do_by_a_call(attempt: Attempt, tmp_path: Path):
    """Where it is not on the learner's host, with its own folders in it."""
    access = attempt.link.access
    here = await asyncio.to_thread(fetch_task, access, None)
    assert here == made_up_task(tmp_path)
    there = WorkerPlace(host_number=0, data_dir=Path("/there"), interface="eth3")
    task = await asyncio.to_thread(fetch_task, access, there)
    assert task.folder_path == Path("/there/jobs/one")
    assert task.settings.data_dir == Path("/there")
    assert task.launch.rendezvous.interface == "eth3"
    assert task.spec == here.spec
    other = replace(access, token="a stranger's")
    with pytest.raises(FailedPrecondition, match="this attempt at its job is over"):
        await asyncio.to_thread(fetch_task, other, None)


async def test_what_processes_elsewhere_print_comes_into_the_jobs_log(
    attempt: Attempt, tmp_path: Path
):
    """While they run, and the rest of it at their end; through a cut as well."""
    printed, log = tmp_path / "printed", JobFolder(tmp_path).worker_log
    log.write_text("of the first host\n")
    async with send_output(printed, attempt.link.access):
        printed.write_bytes(b"one\n")
        await eventually(lambda: "one" in log.read_text())
        attempt.cut_link.cut()
        with printed.open("ab") as file:
            file.write(b"two\n" * 100_000)
        await asyncio.sleep(1.5)  # it tries in vain
        attempt.cut_link.mend()
        await eventually(lambda: log.read_text().count("two") == 100_000)
        with printed.open("ab") as file:
            file.write(b"\xffthree")
    assert log.read_bytes() == b"of the first host\n" + printed.read_bytes()


async def test_of_several_reasons_the_first_counts(attempt: Attempt):
    first = WorkerFailed(message="no room", retryable=True, full_disk=True)
    with attempt.client() as client:
        client.report(Notice(message="before"))
        await asyncio.to_thread(client.fail, first)
        await asyncio.to_thread(client.fail, WorkerFailed(message="lost it", retryable=False))
    assert attempt.taken == [Notice(message="before")]
    assert attempt.link.failure == first


@pytest.mark.parametrize(
    ("number", "event", "words"),
    [
        (2, to_json(Notice(message="x")), "number: expected 1 next, got 2"),
        (1, "no JSON", "event: no event of a job"),
        (1, '{"type": "Unheard"}', "event: no event of a job"),
        (1, "[]", "event: no event of a job"),
        (1, '{"type": "WorkerFailed", "message": "why", "retryable": true}', "event: no event"),
        (1, '{"type": "StepDone", "step": "x"}', "event: no event of a job"),
    ],
)
async def test_what_is_no_next_event_is_refused(
    attempt: Attempt, number: int, event: str, words: str
):
    async with attempt.stub() as (stub, metadata):
        request = pb.ReportEventsRequest(number=number, event=event)
        with pytest.raises(grpc.aio.AioRpcError, match=words) as caught:
            async for _ in stub.ReportEvents(iter([request]), metadata=metadata):
                pass
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not attempt.taken


@pytest.mark.parametrize("entry", ["no JSON", "[]", "{}", '{"step": "x"}'])
async def test_what_is_no_entry_of_a_history_is_refused(attempt: Attempt, entry: str):
    async with attempt.stub() as (stub, metadata):
        request = pb.ReportEventsRequest(number=1, history_entry=entry)
        with pytest.raises(grpc.aio.AioRpcError, match="history_entry: expected an object"):
            async for _ in stub.ReportEvents(iter([request]), metadata=metadata):
                pass


async def test_the_history_is_written_in_the_order_of_events_and_rewound_by_a_start(
    attempt: Attempt, tmp_path: Path
):
    history = JobFolder(tmp_path).history
    for step in (1, 2, 3):
        history.append({"step": step})  # of an earlier attempt
    start = WorkerStarted(attempt=1, resumed_from_step=2, total_steps=9)
    with attempt.client() as client:
        client.report(start)
        client.log_history({"step": 3, "loss": 0.5})
        await asyncio.to_thread(client.settle)
    assert attempt.taken == [start]
    assert history.entries() == [{"step": 1}, {"step": 2}, {"step": 3, "loss": 0.5}]


async def test_files_are_committed_and_lent_through_a_connection_that_is_cut(
    attempt: Attempt, store: BlobStore, tmp_path: Path
):
    own = tmp_path / "own"
    own.mkdir()
    for name, size_bytes in (("weights", 1024**2 + 1), ("state", 10_000)):  # a small one goes along
        (own / name).write_bytes(bytes(size_bytes))
    with attempt.client() as client:
        attempt.cut_link.cut()
        files = sorted(own.iterdir())
        saving = asyncio.ensure_future(asyncio.to_thread(client.commit, Place.CHECKPOINT, files, 4))
        publishing = asyncio.ensure_future(
            asyncio.to_thread(client.publish, files[0], digest_of_file(files[0]), 2)
        )
        await asyncio.sleep(0.2)
        attempt.cut_link.mend()
        await asyncio.gather(saving, publishing)
        digests, damaged = await asyncio.to_thread(client.job_files)
        copy = tmp_path / "copy"
        name = "checkpoints/checkpoint-4/weights"
        await asyncio.to_thread(client.fetch, digests[name], copy)
    assert copy.read_bytes() == (own / "weights").read_bytes()
    assert not damaged
    assert JobFolder(tmp_path).adapters.digests() == [digest_of_file(files[0])]
    assert store.size_bytes(digest_of_file(files[0])) is not None


async def test_a_blob_that_an_equal_job_lets_go_of_is_put_again(
    attempt: Attempt, store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Between its put and its commit it is nobody's yet."""
    weights = tmp_path / "weights"
    weights.write_bytes(bytes(1024**2 + 1))  # too large to come with the call
    commits, gone = attempt.link.commits, []
    commit = commits.commit

    def commit_late(place: Place, step: int, files: dict[str, str], data: dict[str, bytes]) -> None:
        if not gone:
            gone.append(files["weights"])
            store.claim(files["weights"], "equal")
            store.release(files["weights"], "equal")
        commit(place, step, files, data)

    monkeypatch.setattr(commits, "commit", commit_late)
    with attempt.client() as client:
        await asyncio.to_thread(client.commit, Place.CHECKPOINT, [weights], 4)
        digests, _ = await asyncio.to_thread(client.job_files)
    assert digests["checkpoints/checkpoint-4/weights"] == gone[0]


async def test_a_client_that_a_commit_is_refused_to_is_told(attempt: Attempt, tmp_path: Path):
    (tmp_path / "bad name").write_bytes(b"x")
    with attempt.client() as client, pytest.raises(InvalidArgument, match=r"files\.name"):
        await asyncio.to_thread(client.commit, Place.OUTPUT, [tmp_path / "bad name"], 0)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (pb.CommitFilesRequest(), "place: expected one of JobPlace"),
        (
            pb.CommitFilesRequest(place=pb.JOB_PLACE_OUTPUT, files=[pb.JobFile(name="x")]),
            "files.digest",
        ),
        (
            pb.CommitFilesRequest(
                place=pb.JOB_PLACE_OUTPUT, files=[pb.JobFile(name="x", digest="a" * 64)] * 2
            ),
            "each name once",
        ),
        (
            pb.CommitFilesRequest(
                place=pb.JOB_PLACE_OUTPUT,
                files=[pb.JobFile(name="x", digest="a" * 64, data=bytes(1024**2 + 1))],
            ),
            "files.data: expected at most 1,048,576 bytes",
        ),
        (
            pb.CommitFilesRequest(
                place=pb.JOB_PLACE_OUTPUT,
                files=[
                    pb.JobFile(name=f"x{number}", digest="a" * 64, data=bytes(1024**2))
                    for number in range(17)
                ],
            ),
            "files.data: expected at most 16,777,216 bytes together",
        ),
    ],
)
async def test_a_bad_commit_is_refused(attempt: Attempt, request_, words: str):
    async with attempt.stub() as (stub, metadata):
        with pytest.raises(grpc.aio.AioRpcError, match=words) as caught:
            await stub.CommitFiles(request_, metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        adapter = pb.PublishAdapterRequest(digest="a" * 64)
        with pytest.raises(grpc.aio.AioRpcError, match="kept: expected at least 1"):
            await stub.PublishAdapter(adapter, metadata=metadata)
        large = pb.PublishAdapterRequest(digest="a" * 64, kept=1, data=bytes(1024**2 + 1))
        with pytest.raises(grpc.aio.AioRpcError, match="data: expected at most 1,048,576 bytes"):
            await stub.PublishAdapter(large, metadata=metadata)


async def test_a_stranger_reads_no_blob(attempt: Attempt, store: BlobStore):
    digest = store.put_bytes(b"data")
    async with grpc.aio.insecure_channel(attempt.links.address) as channel:
        stat = BlobServiceStub(channel).Stat
        with pytest.raises(grpc.aio.AioRpcError, match="this attempt at its job is over"):
            await stat(StatRequest(digest=digest))
        shown = [attempt.link.access.metadata]
        assert (await stat(StatRequest(digest=digest), metadata=shown)).exists


async def test_a_failure_says_why(attempt: Attempt):
    async with attempt.stub() as (stub, metadata):
        with pytest.raises(grpc.aio.AioRpcError, match="message: expected the reason"):
            await stub.ReportFailure(pb.ReportFailureRequest(), metadata=metadata)
        long = pb.ReportFailureRequest(message="x" * 3_000)
        await stub.ReportFailure(long, metadata=metadata)
    assert len(attempt.link.failure.message) == 2_000


async def test_a_stranger_is_refused(attempt: Attempt):
    async with attempt.stub("a stranger's") as (stub, metadata):
        for call in (
            stub.ReportFailure(pb.ReportFailureRequest(message="x"), metadata=metadata),
            stub.ReportFailure(pb.ReportFailureRequest(message="x")),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match="this attempt at its job is over"):
                await call
    assert attempt.link.failure is None
