"""The blob store through its real server and the client that everyone uses."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from learner_service.blob_settings import BlobSettings
from learner_service.blobs.blob_servicer import BlobServicer
from learner_service.blobs.blob_store import BlobStore
from tally.blob.v1 import blob_pb2, blob_pb2_grpc
from tally.rpc.blobs import IDEMPOTENT_METHODS, BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.digests import digest_of
from tally.rpc.errors import (
    DataLoss,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    translate_errors,
)
from tally.rpc.server import RpcServer
from tally.rpc.settings import ClientSettings, ServerSettings
from tests.waiting import eventually

DATA = bytes(range(256)) * 12_000  # three chunks
DIGEST = digest_of(DATA)


@asynccontextmanager
async def served(store: BlobStore, **limits: float) -> AsyncIterator[grpc.aio.Channel]:
    servicer = BlobServicer(store, BlobSettings(**limits))
    server = RpcServer(
        ServerSettings(),
        service_names=["tally.blob.v1.BlobService"],
        register=lambda s: blob_pb2_grpc.add_BlobServiceServicer_to_server(servicer, s),
    )
    await server.start()
    settings = ClientSettings(target=f"127.0.0.1:{server.port}")
    async with open_channel(settings, idempotent_methods=IDEMPOTENT_METHODS) as channel:
        yield channel
    await server.stop(0)


@pytest.fixture
async def channel(store: BlobStore) -> AsyncIterator[grpc.aio.Channel]:
    async with served(store) as channel:
        yield channel


def put_requests(*chunks: tuple[int, bytes]) -> Iterator[blob_pb2.PutRequest]:
    header = blob_pb2.BlobHeader(digest=DIGEST, size_bytes=len(DATA))
    yield blob_pb2.PutRequest(header=header)
    for offset, data in chunks:
        yield blob_pb2.PutRequest(chunk=blob_pb2.BlobChunk(offset=offset, data=data))


async def put(
    channel: grpc.aio.Channel,
    requests: Iterator[blob_pb2.PutRequest] | AsyncIterator[blob_pb2.PutRequest],
) -> None:
    async with translate_errors():
        await blob_pb2_grpc.BlobServiceStub(channel).Put(requests)


def staged(store: BlobStore) -> list[Path]:
    return list((store.root / "staging").iterdir())


async def test_put_and_fetch_give_the_same_bytes(channel: grpc.aio.Channel, tmp_path: Path):
    client = BlobClient(channel)
    (tmp_path / "source").write_bytes(DATA)
    assert await client.put_file(tmp_path / "source", DIGEST) is True
    assert await client.put_file(tmp_path / "source", DIGEST) is False
    await client.fetch_file(DIGEST, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == DATA


async def test_a_fetch_goes_on_from_an_offset(channel: grpc.aio.Channel, store: BlobStore):
    store.put_bytes(DATA)
    request = blob_pb2.FetchRequest(digest=DIGEST, offset=2_000_000)
    stub = blob_pb2_grpc.BlobServiceStub(channel)
    chunks = [response.chunk async for response in stub.Fetch(request)]
    assert chunks[0].offset == 2_000_000
    assert b"".join(chunk.data for chunk in chunks) == DATA[2_000_000:]


async def test_chunks_keep_to_the_contract(channel: grpc.aio.Channel, store: BlobStore):
    stub = blob_pb2_grpc.BlobServiceStub(channel)
    call = stub.Fetch(blob_pb2.FetchRequest(digest=store.put_bytes(DATA)))
    responses = [response async for response in call]
    assert len(responses) > 1
    assert all(0 < len(response.chunk.data) <= 1024**2 for response in responses)
    assert {response.total_size_bytes for response in responses} == {len(DATA)}


async def test_a_reader_gets_a_blob_to_its_end_that_is_deleted_meanwhile(
    channel: grpc.aio.Channel, store: BlobStore
):
    digest = store.put_bytes(DATA)
    call = blob_pb2_grpc.BlobServiceStub(channel).Fetch(blob_pb2.FetchRequest(digest=digest))
    received = b""
    async for response in call:
        store.delete(digest)
        received += response.chunk.data
    assert received == DATA


def test_a_blob_goes_with_the_last_who_claimed_it(store: BlobStore):
    digest = store.put_bytes(DATA)
    store.claim(digest, "one")
    store.claim(digest, "two")
    store.release(digest, "one")
    store.release(digest, "one")
    assert store.size_bytes(digest) == len(DATA)
    store.release(digest, "two")
    assert store.size_bytes(digest) is None
    references = (store.root / "references").rglob("*")
    assert [path.name for path in references if path.is_file()] == [".lock"]


def test_a_claim_before_the_blob_is_there_holds(store: BlobStore):
    store.claim(DIGEST, "late")
    store.put_bytes(DATA)
    store.claim(DIGEST, "early")
    store.release(DIGEST, "early")
    assert store.path(DIGEST).read_bytes() == DATA


def test_two_owners_that_come_and_go_at_once_never_lose_what_one_has_claimed(store: BlobStore):
    def come_and_go(owner: str) -> int:
        present = 0
        for _ in range(200):
            store.claim(DIGEST, owner)
            store.put_bytes(DATA)
            present += store.size_bytes(DIGEST) is not None
            store.release(DIGEST, owner)
        return present

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(come_and_go, ("one", "two"))) == [200, 200]
    assert store.size_bytes(DIGEST) is None


def test_a_torn_blob_is_replaced_when_it_is_kept_again(store: BlobStore):
    store.put_bytes(DATA)
    store.path(DIGEST).write_bytes(b"torn")
    with store.stage() as path:
        path.write_bytes(DATA)
        store.keep(path, DIGEST)
    assert store.path(DIGEST).read_bytes() == DATA


@pytest.mark.parametrize(
    "chunks",
    [
        [(0, DATA[:1_000_000]), (1_000_000, DATA[1_000_001:2_000_000])],
        [(1_000_000, DATA[1_000_000:2_000_000]), (0, DATA[:1_000_000])],
        [(0, DATA[:1_000_000])],
        [(n, DATA[n : n + 1_000_000]) for n in range(0, 4_000_000, 1_000_000)]
        + [(3_072_000, b"!")],
    ],
    ids=["missing byte", "reordered", "too few", "too many"],
)
async def test_lost_bytes_are_data_loss_and_leave_nothing(
    channel: grpc.aio.Channel, store: BlobStore, tmp_path: Path, chunks: list[tuple[int, bytes]]
):
    with pytest.raises(DataLoss):
        await put(channel, put_requests(*chunks))
    assert store.size_bytes(DIGEST) is None
    assert list((tmp_path / "blobs" / "staging").iterdir()) == []


async def test_a_flipped_byte_is_data_loss(channel: grpc.aio.Channel, store: BlobStore):
    flipped = b"!" + DATA[1:]
    step = 1_000_000
    chunks = [(n, flipped[n : n + step]) for n in range(0, len(DATA), step)]
    with pytest.raises(DataLoss, match="not those of"):
        await put(channel, put_requests(*chunks))
    assert store.size_bytes(DIGEST) is None


async def test_a_blob_beyond_the_largest_is_refused_by_its_header(store: BlobStore):
    async with served(store, max_bytes=len(DATA) - 1) as channel:
        with pytest.raises(InvalidArgument, match=r"size_bytes: 3,072,000; .* 3,071,999"):
            await put(channel, put_requests())
    assert not staged(store)


async def test_a_blob_that_the_disk_has_no_room_for_is_refused_by_its_header(
    channel: grpc.aio.Channel, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: type("Usage", (), {"free": len(DATA) - 1})
    )
    with pytest.raises(ResourceExhausted, match="no room on the learner's disk"):
        await put(channel, put_requests())
    assert not staged(store)


@pytest.mark.parametrize(
    ("limits", "chunks", "said"),
    [
        ({"silence_seconds": 0.2}, [], "nothing came for 0.2 seconds"),
        ({"silence_seconds": 0.2}, [(0, DATA[:1000])], "nothing came for 0.2 seconds"),
        ({"put_seconds": 0.3}, [(0, DATA[:1000])], "not here after 0.3 seconds"),
    ],
)
async def test_a_put_that_goes_silent_or_never_ends_is_given_up(
    store: BlobStore, limits: dict[str, float], chunks: list[tuple[int, bytes]], said: str
):
    async def requests() -> AsyncIterator[blob_pb2.PutRequest]:
        for request in put_requests(*chunks):
            yield request
        await asyncio.Event().wait()

    async with served(store, **limits) as channel:
        with pytest.raises(DeadlineExceeded, match=said):
            await put(channel, requests())
        assert not staged(store)
        store.put_bytes(DATA)
        assert await BlobClient(channel).exists(DIGEST)


async def test_a_put_that_sends_nothing_at_all_is_given_up(store: BlobStore):
    async def nothing() -> AsyncIterator[blob_pb2.PutRequest]:
        await asyncio.Event().wait()
        yield blob_pb2.PutRequest()

    async with served(store, silence_seconds=0.2) as channel:
        with pytest.raises(DeadlineExceeded, match="nothing came"):
            await put(channel, nothing())


@pytest.mark.parametrize("data", [b"", bytes(1024**2 + 1)])
async def test_an_empty_chunk_and_one_beyond_the_contract_are_refused(
    channel: grpc.aio.Channel, store: BlobStore, data: bytes
):
    with pytest.raises(InvalidArgument, match=r"chunk\.data: expected 1 to 1,048,576 bytes"):
        await put(channel, put_requests((0, data)))
    assert not staged(store)


async def test_a_caller_that_vanishes_in_a_put_leaves_nothing(
    channel: grpc.aio.Channel, store: BlobStore
):
    sent = asyncio.Event()

    async def requests() -> AsyncIterator[blob_pb2.PutRequest]:
        for request in put_requests((0, DATA[:1000])):
            yield request
        sent.set()
        await asyncio.Event().wait()

    call = blob_pb2_grpc.BlobServiceStub(channel).Put(requests())
    await sent.wait()
    await eventually(lambda: staged(store))
    call.cancel()
    await eventually(lambda: not staged(store))


async def test_a_first_message_without_a_header_is_refused(channel: grpc.aio.Channel):
    chunk = blob_pb2.PutRequest(chunk=blob_pb2.BlobChunk(offset=0, data=b"x"))
    with pytest.raises(InvalidArgument, match="header"):
        await put(channel, iter([chunk]))


async def test_unknown_malformed_and_beyond_the_end(
    channel: grpc.aio.Channel, store: BlobStore, tmp_path: Path
):
    client = BlobClient(channel)
    with pytest.raises(NotFound):
        await client.fetch_file(digest_of(b"nothing here"), tmp_path / "target")
    assert not (tmp_path / "target").exists()
    with pytest.raises(InvalidArgument, match="digest"):
        await client.exists("../../etc/passwd")
    store.put_bytes(DATA)
    stub = blob_pb2_grpc.BlobServiceStub(channel)
    call = stub.Fetch(blob_pb2.FetchRequest(digest=DIGEST, offset=10**9))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE


def test_a_start_sweeps_what_a_killed_writer_left(store: BlobStore, tmp_path: Path):
    (tmp_path / "blobs" / "staging" / "left").write_bytes(b"half")
    store.sweep()
    assert list((tmp_path / "blobs" / "staging").iterdir()) == []
