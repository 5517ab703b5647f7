"""The disk cache: one fetch however many ask, bounded, verified, nothing kept of a failure."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from rollout_service.blobs.blob_cache import BlobCache
from rollout_service.errors import BlobTooLarge, CacheFull
from tally.host.full_disk import full_disk_as
from tally.rpc.blobs import IDEMPOTENT_METHODS, BlobClient
from tally.rpc.channel import open_channel
from tally.rpc.errors import DataLoss, NotFound, Unavailable
from tally.rpc.settings import ClientSettings
from tests.fakes.blob_store import FakeBlobStore, Fault, running_blob_store
from tests.waiting import eventually


@pytest.fixture
async def store_and_client() -> AsyncIterator[tuple[FakeBlobStore, BlobClient]]:
    async with running_blob_store() as (store, target):
        settings = ClientSettings(target=target)
        async with open_channel(settings, idempotent_methods=IDEMPOTENT_METHODS) as channel:
            yield store, BlobClient(channel)


@pytest.fixture
def store(store_and_client) -> FakeBlobStore:
    return store_and_client[0]


@pytest.fixture
def cache(store_and_client, tmp_path):
    cache = BlobCache(tmp_path, 10_000, store_and_client[1])
    yield cache
    cache.close()


def blobs_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


async def read(cache: BlobCache, digest: str) -> bytes:
    async with cache.hold(digest) as path:
        return path.read_bytes()


async def test_a_blob_is_fetched_once(cache, store):
    digest = store.add(b"x" * 3500)
    assert [await read(cache, digest) for _ in range(3)] == [b"x" * 3500] * 3
    assert store.fetches[digest] == 1


async def test_concurrent_requests_cause_one_fetch(cache, store):
    digest = store.add(b"x" * 3500)
    store.delay_seconds = 0.1
    assert await asyncio.gather(*(read(cache, digest) for _ in range(20))) == [b"x" * 3500] * 20
    assert store.fetches[digest] == 1


async def test_a_caller_that_gives_up_does_not_end_the_fetch(cache, store):
    digest = store.add(b"x" * 3500)
    store.delay_seconds = 0.2
    first, second = [asyncio.create_task(read(cache, digest)) for _ in range(2)]
    await eventually(lambda: store.fetches[digest])
    first.cancel()
    assert await second == b"x" * 3500
    assert store.fetches[digest] == 1


async def test_the_last_caller_that_gives_up_ends_the_fetch(cache, store, tmp_path):
    digest = store.add(b"x" * 3500)
    store.delay_seconds = 30
    caller = asyncio.create_task(read(cache, digest))
    await eventually(lambda: store.fetches[digest])
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    store.delay_seconds = 0
    assert await read(cache, digest) == b"x" * 3500
    assert blobs_in(tmp_path) == {digest}


@pytest.mark.parametrize("fault", [Fault.FLIPPED, Fault.MISSING, Fault.REORDERED])
async def test_bytes_that_changed_on_the_way_are_not_cached(cache, store, tmp_path, fault):
    digest = store.add(bytes(range(250)) * 20)
    store.fault = fault
    with pytest.raises(DataLoss):
        await read(cache, digest)
    assert blobs_in(tmp_path) == set()
    store.fault = Fault.NONE
    assert await read(cache, digest) == bytes(range(250)) * 20


async def test_a_store_that_comes_back_is_waited_for(cache, store):
    digest = store.add(b"x")
    store.unavailable_times = 1
    assert await read(cache, digest) == b"x"


async def test_a_store_that_stays_away_is_unavailable_and_not_remembered(cache, store):
    digest = store.add(b"x")
    store.unavailable_times = 4
    with pytest.raises(Unavailable):
        await read(cache, digest)
    assert await read(cache, digest) == b"x"


async def test_an_unknown_digest_is_not_found_and_not_remembered(cache, store):
    with pytest.raises(NotFound):
        await read(cache, "0" * 64)
    with pytest.raises(NotFound):
        await read(cache, "0" * 64)
    assert store.fetches["0" * 64] == 2


async def test_the_least_recently_used_blob_goes(cache, store, tmp_path):
    first, second, third = [store.add(letter * 4000) for letter in (b"a", b"b", b"c")]
    for digest in (first, second, first, third):
        await read(cache, digest)
    assert blobs_in(tmp_path) == {first, third}


async def test_a_blob_in_use_stays(cache, store, tmp_path):
    first, second, third = [store.add(letter * 4000) for letter in (b"a", b"b", b"c")]
    async with cache.hold(first) as path:
        await read(cache, second)
        await read(cache, third)
        assert path.read_bytes() == b"a" * 4000
    assert blobs_in(tmp_path) == {first, third}


async def test_more_in_use_than_there_is_room_for(cache, store):
    first, second, third = [store.add(letter * 4000) for letter in (b"a", b"b", b"c")]
    async with cache.hold(first), cache.hold(second):
        with pytest.raises(CacheFull):
            await read(cache, third)
    assert await read(cache, third) == b"c" * 4000


async def test_a_blob_larger_than_the_cache_is_refused(cache, store, tmp_path):
    with pytest.raises(BlobTooLarge):
        await read(cache, store.add(b"x" * 10_001))
    assert blobs_in(tmp_path) == set()


async def test_room_is_made_before_the_first_byte_is_written(cache, store, tmp_path):
    first = store.add(b"a" * 8000)
    await read(cache, first)
    store.fault = Fault.FLIPPED
    with pytest.raises(DataLoss):
        await read(cache, store.add(b"b" * 8000))
    assert blobs_in(tmp_path) == set()
    store.fault = Fault.NONE
    assert await read(cache, store.add(b"c" * 10_000)) == b"c" * 10_000


async def test_two_on_their_way_at_once_share_the_room(cache, store):
    store.delay_seconds = 0.1
    digests = [store.add(letter * 6000) for letter in (b"a", b"b")]
    results = await asyncio.gather(*(read(cache, d) for d in digests), return_exceptions=True)
    assert {type(result) for result in results} == {bytes, CacheFull}
    assert [await read(cache, d) for d in digests] == [b"a" * 6000, b"b" * 6000]


async def test_a_file_system_with_less_room_than_the_bound_is_respected(
    cache, store, tmp_path, monkeypatch
):
    def free(folder: Path) -> SimpleNamespace:
        left = 5000 - sum(path.stat().st_size for path in folder.iterdir())
        return SimpleNamespace(free=left)

    monkeypatch.setattr("rollout_service.blobs.blob_cache.shutil.disk_usage", free)
    first, second = [store.add(letter * 4000) for letter in (b"a", b"b")]
    await read(cache, first)
    async with cache.hold(second):
        with pytest.raises(CacheFull):
            await read(cache, first)
    assert blobs_in(tmp_path) == {second}


@pytest.fixture
def full_disk() -> Iterator[BinaryIO]:
    with Path("/dev/full").open("wb", buffering=0) as file:
        yield file


async def test_a_disk_that_is_full_after_all_says_so(store_and_client, full_disk):
    store, client = store_and_client
    with pytest.raises(CacheFull, match="no room"), full_disk_as(CacheFull("no room")):
        await client.fetch(store.add(b"x" * 50_000), full_disk)


async def test_a_blob_that_is_longer_than_announced_is_not_cached(cache, store, tmp_path):
    store.fault = Fault.LONGER
    with pytest.raises(DataLoss):
        await read(cache, store.add(b"x" * 3500))
    assert blobs_in(tmp_path) == set()


async def test_a_fetch_that_breaks_off_goes_on_where_it_was(cache, store):
    digest = store.add(bytes(range(250)) * 20)
    store.break_off_after = 2
    assert await read(cache, digest) == bytes(range(250)) * 20
    assert store.offsets == [0, 2000]


async def test_an_empty_blob_is_a_blob(cache, store):
    assert await read(cache, store.add(b"")) == b""


async def test_start_sweeps_its_own_leavings_only(store_and_client, tmp_path):
    ours = ["0" * 64, "1" * 64 + "." + "a" * 32]
    for name in [*ours, "diary.txt"]:
        (tmp_path / name).write_text("x")
    BlobCache(tmp_path, 100, store_and_client[1]).close()
    assert blobs_in(tmp_path) == {"diary.txt"}


async def test_a_folder_belongs_to_one_process(cache, store_and_client, tmp_path):
    with pytest.raises(RuntimeError, match="another process"):
        BlobCache(tmp_path, 100, store_and_client[1])


async def test_what_nobody_asks_for_goes_in_time(cache, store, tmp_path):
    digests = [store.add(bytes([number]) * 1000) for number in range(3)]
    for digest in digests:
        await read(cache, digest)
    async with cache.hold(digests[0]):
        dropping = asyncio.create_task(cache.drop_unused(0.05))
        await eventually(lambda: blobs_in(tmp_path) == {digests[0]})
    await eventually(lambda: blobs_in(tmp_path) == set())
    assert await read(cache, digests[1]) == bytes([1]) * 1000
    assert store.fetches[digests[1]] == 2
    dropping.cancel()
