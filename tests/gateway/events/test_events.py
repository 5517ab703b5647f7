"""The event stream of a job."""

import asyncio

import httpx

from tests.gateway.event_text import parse_events
from tests.gateway.packing import good_zip
from tests.waiting import eventually


async def read_until(response, count: int) -> list[tuple[int, str, dict]]:
    text = ""
    async for piece in response.aiter_text():
        text += piece
        if len(parse_events(text)) >= count:
            break
    return parse_events(text)


async def test_the_stream_tells_the_whole_job_and_ends(gateway):
    upload = (await gateway.upload(good_zip())).json()["file_id"]
    job = (await gateway.train(upload, evaluation_file_id=upload)).json()
    response = await gateway.client.get(f"/jobs/{job['job_id']}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    events = parse_events(response.text)
    kinds = ["worker", "phase", *["step"] * 3, "evaluation_progress", "evaluation", "ended"]
    assert [kind for _, kind, _ in events] == kinds
    assert [seq for seq, _, _ in events] == list(range(1, 9))
    assert events[1][2]["phase"] == "learning"
    assert {"seq", "time", "step", "total_steps", "loss", "reward_mean"} <= set(events[2][2])
    assert events[-1][2]["status"] == "completed"


async def test_the_stream_resumes_without_a_gap(gateway, learner):
    learner.hold.clear()
    job_id = await gateway.start_job()
    async with gateway.client.stream("GET", f"/jobs/{job_id}/events") as response:
        first = await read_until(response, 2)
    learner.hold.set()
    headers = {"Last-Event-ID": str(first[-1][0])}
    rest = parse_events((await gateway.client.get(f"/jobs/{job_id}/events", headers=headers)).text)
    seqs = [seq for seq, _, _ in [*first, *rest]]
    assert seqs == list(range(1, 7))
    again = parse_events((await gateway.client.get(f"/jobs/{job_id}/events?after_seq=4")).text)
    assert [seq for seq, _, _ in again] == [5, 6]


async def test_a_gateway_that_was_away_streams_on_without_a_gap(start_gateway, settings, learner):
    learner.hold.clear()
    async with start_gateway(settings) as gateway:
        job_id = await gateway.start_job()
        async with gateway.client.stream("GET", f"/jobs/{job_id}/events") as response:
            first = await read_until(response, 2)
    learner.hold.set()
    async with start_gateway(settings) as gateway:
        url = f"/jobs/{job_id}/events?after_seq={first[-1][0]}"
        rest = parse_events((await gateway.client.get(url)).text)
    assert [seq for seq, _, _ in [*first, *rest]] == list(range(1, 7))


async def test_an_end_that_comes_between_two_looks_is_told(start_gateway, settings, monkeypatch):
    quick = settings.model_copy(update={"heartbeat_seconds": 0.05})
    async with start_gateway(quick) as gateway:
        job_id = await gateway.start_job()
        await gateway.until(job_id, "completed")
        store = gateway.services.streams._store
        events, before_the_end = store.events, [[]]

        def look(*asked):
            return before_the_end.pop() if before_the_end else events(*asked)

        monkeypatch.setattr(store, "events", look)
        told = await gateway.client.get(f"/jobs/{job_id}/events?after_seq=5")
    assert [seq for seq, _, _ in parse_events(told.text)] == [6]


async def test_full_pages_are_read_once(start_gateway, settings, monkeypatch):
    monkeypatch.setattr("gateway.events.event_stream.PAGE", 4)
    monkeypatch.setattr("gateway.jobs.job_store.PAGE", 4)
    async with start_gateway(settings) as gateway:
        job_id = await gateway.start_job()
        await gateway.until(job_id, "completed")
        store, begins = gateway.services.streams._store, []
        events = store.events

        def look(job_id, after_seq):
            begins.append(after_seq)
            return events(job_id, after_seq)

        monkeypatch.setattr(store, "events", look)
        told = [(await gateway.client.get(f"/jobs/{job_id}/events")).text for _ in range(3)]
    assert [seq for seq, _, _ in parse_events(told[0])] == list(range(1, 7))
    assert told[1] == told[2] == told[0]
    assert begins == [0, 4, 4, 4]


async def test_a_bad_last_event_id_is_refused(gateway):
    job_id = await gateway.start_job()
    for value in ("-1", "x", str(2**64)):
        headers = {"Last-Event-ID": value}
        response = await gateway.client.get(f"/jobs/{job_id}/events", headers=headers)
        assert response.status_code == 422


async def test_a_quiet_stream_has_heartbeats(start_gateway, settings, learner):
    learner.hold.clear()
    quick = settings.model_copy(update={"heartbeat_seconds": 0.05})
    async with start_gateway(quick) as gateway:
        job_id = await gateway.start_job()
        async with gateway.client.stream("GET", f"/jobs/{job_id}/events") as response:
            async for piece in response.aiter_text():
                if piece.startswith(":"):
                    break


async def test_slots_are_freed_when_clients_vanish(start_gateway, settings, learner):
    learner.hold.clear()
    few = settings.model_copy(update={"max_event_streams": 20})
    async with start_gateway(few) as gateway:
        job_id = await gateway.start_job()
        request = f"GET /jobs/{job_id}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        for _ in range(10):
            pairs = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(20)]
            for _, writer in pairs:
                writer.write(request)
            for reader, _ in pairs:
                assert b"200 OK" in await reader.readline()
            assert (await gateway.client.get(f"/jobs/{job_id}/events")).status_code == 503
            for _, writer in pairs:
                writer.close()
            await eventually(lambda: not gateway.services.streams.in_use)


async def test_streams_do_not_delay_a_shutdown(start_gateway, settings, learner):
    learner.hold.clear()
    patient = settings.model_copy(update={"drain_seconds": 60})
    async with asyncio.timeout(20), start_gateway(patient) as gateway:
        job_id = await gateway.start_job()
        url = f"http://127.0.0.1:{gateway.port}/jobs/{job_id}/events"
        client = httpx.AsyncClient()
        stream = client.stream("GET", url)
        await read_until(await stream.__aenter__(), 1)
    await client.aclose()
