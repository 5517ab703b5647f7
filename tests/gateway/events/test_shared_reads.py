"""Reads of the log that many streams share."""

import asyncio
from contextlib import aclosing

import pytest

from gateway.events.shared_reads import SharedReads
from tally.messages.languages import Language
from tests.gateway.event_text import parse_events
from tests.gateway.packing import good_zip
from tests.waiting import eventually


async def test_who_asks_the_same_at_once_shares_a_read():
    reads, started, go_on = SharedReads[int](), [], asyncio.Event()

    async def read() -> int:
        started.append(len(started))
        await go_on.wait()
        return started[-1]

    asked = [asyncio.create_task(reads.read("a", read)) for _ in range(50)]
    other = asyncio.create_task(reads.read("b", read))
    await asyncio.sleep(0)
    asked[0].cancel()  # the one that began it
    await asyncio.sleep(0)
    go_on.set()
    assert len({await one for one in asked[1:]}) == 1
    assert await other is not None
    assert len(started) == 2
    await reads.read("a", read)  # what is done is not answered again
    assert len(started) == 3


async def test_a_failure_is_everybodys_and_the_next_read_begins_anew():
    reads = SharedReads[int]()

    async def fail() -> int:
        raise ValueError("away")

    async def succeed() -> int:
        return 7

    asked = [asyncio.create_task(reads.read("a", fail)) for _ in range(3)]
    for one in asked:
        with pytest.raises(ValueError, match="away"):
            await one
    assert await reads.read("a", succeed) == 7


async def test_streams_share_what_they_read_since_they_were_last_woken(
    gateway, learner, monkeypatch
):
    learner.hold.clear()
    job_id = await gateway.start_job()
    streams, store = gateway.services.streams, gateway.services.streams._store
    await eventually(lambda: store.events(job_id))
    run, begun, go_on = store.run, [], asyncio.Event()

    async def held(call, *arguments):
        if call == streams._read:
            begun.append(arguments)
            await go_on.wait()
        return await run(call, *arguments)

    async def first_events() -> str:
        async with aclosing(streams.lines(job_id, 0, Language.ENGLISH, lambda: True)) as lines:
            assert (await anext(lines)).startswith("retry")
            return await anext(lines)

    monkeypatch.setattr(store, "run", held)
    woken = streams._wakeups.woken
    early = [asyncio.create_task(first_events()) for _ in range(40)]
    await eventually(lambda: begun)
    streams._wakeups.wake(job_id)
    late = [asyncio.create_task(first_events()) for _ in range(40)]
    await eventually(lambda: len(begun) > 1)
    go_on.set()
    texts = {await one for one in [*early, *late]}
    assert parse_events(texts.pop())
    # One, and one for each time that they were woken meanwhile.
    assert 2 <= len(begun) <= 1 + streams._wakeups.woken - woken


async def test_many_streams_tell_the_whole_log(gateway, learner):
    learner.hold.clear()
    upload = (await gateway.upload(good_zip())).json()["file_id"]
    job_id = (await gateway.train(upload)).json()["job_id"]
    watching = [
        asyncio.create_task(gateway.client.get(f"/jobs/{job_id}/events")) for _ in range(40)
    ]
    await eventually(lambda: gateway.services.streams.in_use == len(watching))
    learner.hold.set()
    texts = {(await one).text for one in watching}
    assert len(texts) == 1
    assert [seq for seq, _, _ in parse_events(texts.pop())] == list(range(1, 7))
