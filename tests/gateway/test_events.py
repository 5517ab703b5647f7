"""The event stream, metrics, evaluation."""

import asyncio
import json
import re

import httpx

from tests.gateway.packing import good_zip
from tests.gateway.test_jobs import start_job
from tests.gateway.waiting import eventually


def parse(text: str) -> list[tuple[int, str, dict]]:
    found = re.findall(r"id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n", text)
    return [(int(seq), kind, json.loads(data)) for seq, kind, data in found]


async def read_until(response, count: int) -> list[tuple[int, str, dict]]:
    text = ""
    async for piece in response.aiter_text():
        text += piece
        if len(parse(text)) >= count:
            break
    return parse(text)


async def test_the_stream_tells_the_whole_job_and_ends(gateway):
    upload = (await gateway.upload(good_zip())).json()["file_id"]
    job = (await gateway.train(upload, evaluation_file_id=upload)).json()
    response = await gateway.client.get(f"/jobs/{job['job_id']}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    events = parse(response.text)
    kinds = ["worker", "phase", *["step"] * 3, "evaluation_progress", "evaluation", "ended"]
    assert [kind for _, kind, _ in events] == kinds
    assert [seq for seq, _, _ in events] == list(range(1, 9))
    assert events[1][2]["phase"] == "learning"
    assert {"seq", "time", "step", "total_steps", "loss", "reward_mean"} <= set(events[2][2])
    assert events[-1][2]["status"] == "completed"


async def test_the_stream_resumes_without_a_gap(gateway, learner):
    learner.hold.clear()
    job_id = await start_job(gateway)
    async with gateway.client.stream("GET", f"/jobs/{job_id}/events") as response:
        first = await read_until(response, 2)
    learner.hold.set()
    headers = {"Last-Event-ID": str(first[-1][0])}
    rest = parse((await gateway.client.get(f"/jobs/{job_id}/events", headers=headers)).text)
    seqs = [seq for seq, _, _ in [*first, *rest]]
    assert seqs == list(range(1, 7))
    again = parse((await gateway.client.get(f"/jobs/{job_id}/events?after_seq=4")).text)
    assert [seq for seq, _, _ in again] == [5, 6]


async def test_a_gateway_that_was_away_streams_on_without_a_gap(start_gateway, settings, learner):
    learner.hold.clear()
    async with start_gateway(settings) as gateway:
        job_id = await start_job(gateway)
        async with gateway.client.stream("GET", f"/jobs/{job_id}/events") as response:
            first = await read_until(response, 2)
    learner.hold.set()
    async with start_gateway(settings) as gateway:
        url = f"/jobs/{job_id}/events?after_seq={first[-1][0]}"
        rest = parse((await gateway.client.get(url)).text)
    assert [seq for seq, _, _ in [*first, *rest]] == list(range(1, 7))


async def test_a_bad_last_event_id_is_refused(gateway):
    job_id = await start_job(gateway)
    for value in ("-1", "x", str(2**64)):
        headers = {"Last-Event-ID": value}
        response = await gateway.client.get(f"/jobs/{job_id}/events", headers=headers)
        assert response.status_code == 422


async def test_a_quiet_stream_has_heartbeats(start_gateway, settings, learner):
    learner.hold.clear()
    quick = settings.model_copy(update={"heartbeat_seconds": 0.05})
    async with start_gateway(quick) as gateway:
        job_id = await start_job(gateway)
        async with gateway.client.stream("GET", f"/jobs/{job_id}/events") as response:
            async for piece in response.aiter_text():
                if piece.startswith(":"):
                    break


async def test_slots_are_freed_when_clients_vanish(start_gateway, settings, learner):
    learner.hold.clear()
    few = settings.model_copy(update={"max_event_streams": 20})
    async with start_gateway(few) as gateway:
        job_id = await start_job(gateway)
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
        job_id = await start_job(gateway)
        url = f"http://127.0.0.1:{gateway.port}/jobs/{job_id}/events"
        client = httpx.AsyncClient()
        stream = client.stream("GET", url)
        await read_until(await stream.__aenter__(), 1)
    await client.aclose()


async def test_metrics_have_the_names_of_the_contract(gateway):
    job = await gateway.until(await start_job(gateway), "completed")
    body = (await gateway.client.get(f"/jobs/{job['job_id']}/metrics")).json()
    assert body["job_id"] == job["job_id"]
    assert [step["step"] for step in body["steps"]] == [1, 2, 3]
    from tally.learner.v1 import learner_pb2

    names = {field.name for field in learner_pb2.StepMetrics.DESCRIPTOR.fields}
    assert set(body["steps"][0]) == {"step", *names}


async def test_the_evaluation_is_there_once_it_is(gateway):
    plain = await gateway.until(await start_job(gateway), "completed")
    response = await gateway.client.get(f"/jobs/{plain['job_id']}/evaluation")
    assert response.status_code == 409
    upload = plain["job_id"] and (await gateway.upload(good_zip())).json()["file_id"]
    job = (await gateway.train(upload, evaluation_file_id=upload)).json()
    await gateway.until(job["job_id"], "completed")
    body = (await gateway.client.get(f"/jobs/{job['job_id']}/evaluation")).json()
    assert (body["num_samples"], body["base"]["exact_rate"]) == (4, 0.25)
    assert body["base"]["intervals"] == {"exact_rate": [0.1, 0.4], "reward_mean": None}
    assert (body["file_id"], body["held_out"]) == (upload, None)


async def test_samples_are_streamed_and_the_latest_kept(gateway, learner):
    learner.shows_samples, learner.steps, learner.step_seconds = True, 100, 0.0
    job_id = await start_job(gateway)
    await gateway.until(job_id, "completed")
    body = (await gateway.client.get(f"/jobs/{job_id}/samples")).json()
    # The last 20, and every fifth of a hundred from the first on.
    assert [step["step"] for step in body["steps"]] == [*range(100, 80, -1), *range(76, 0, -5)]
    assert body["file_id"] == (await gateway.job(job_id))["data_file_id"]
    assert body["steps"][0]["groups"] == [
        {
            "row": 2,
            "question": "How many?",
            "true_count": 3,
            "answers": [
                {"text": "3 apples", "count": 3, "reward": 1.0},
                {"text": "many", "count": None, "reward": 0.0},
            ],
        }
    ]
    events = parse((await gateway.client.get(f"/jobs/{job_id}/events")).text)
    assert [seq for seq, _, _ in events] == list(range(1, len(events) + 1))
    shown = [data for _, kind, data in events if kind == "samples"]
    assert [bool(data["groups"]) for data in shown[:7]] == [True, *[False] * 4, True, False]
    few = (await gateway.client.get(f"/jobs/{job_id}/samples?steps=2")).json()
    assert [step["step"] for step in few["steps"]] == [100, 99]


async def test_the_settings_of_a_job_start_the_same_again(gateway):
    job_id = await start_job(gateway)
    settings = (await gateway.client.get(f"/jobs/{job_id}/settings")).json()
    assert settings["training_config"]["num_epochs"] == 50
    again = await gateway.client.post("/train", json=settings)
    assert again.status_code == 200
    second = (await gateway.client.get(f"/jobs/{again.json()['job_id']}/settings")).json()
    assert second == settings
