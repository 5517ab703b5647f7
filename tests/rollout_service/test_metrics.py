"""What the service tells Prometheus of requests that real engines and a slow one answer."""

import asyncio
from pathlib import Path

import grpc

from tally.rollout.v1 import rollout_pb2
from tests.rollout_service.support import (
    Reference,
    Service,
    adapter_of,
    generate_request,
    png,
    refused,
    running_service,
)
from tests.rollout_service.test_servicer import SlowEngine
from tests.waiting import eventually


def figure(service: Service, name: str, **labels: str) -> float:
    value = service.metrics.registry.get_sample_value(f"tally_rollout_{name}", labels)
    assert value is not None, f"no tally_rollout_{name} of {labels}"
    return value


async def test_what_was_sampled_and_fetched_is_counted(service: Service, reference: Reference):
    adapter = adapter_of(reference.adapted(seed=1))
    picture = png()
    request = generate_request(
        reference.prompt(),
        image_digest=service.store.add(picture),
        adapter_digest=service.store.add(adapter),
        num_completions=3,
    )
    answers = [await service.stub.Generate(request) for _ in range(2)]
    completions = [one for answer in answers for one in answer.completions]
    assert figure(service, "tokens_total") == sum(len(one.token_ids) for one in completions)
    stopped = sum(one.finish_reason == rollout_pb2.FINISH_REASON_STOP for one in completions)
    assert figure(service, "completions_total", finish_reason="stop") == stopped
    assert figure(service, "completions_total", finish_reason="length") == 6 - stopped
    assert figure(service, "wait_seconds_count") == 2
    assert figure(service, "queue_depth") == figure(service, "completions_in_progress") == 0
    for kind, data in (("adapter", adapter), ("image", picture)):
        assert figure(service, "fetches_total", kind=kind) == 1
        assert figure(service, "fetched_bytes_total", kind=kind) == len(data)
    assert figure(service, "blob_cache_bytes") == len(adapter) + len(picture)


async def test_what_caches_held_is_counted(service: Service, reference: Reference):
    caches = ("adapters", "vision_features")

    def lookups(result: str) -> list[float]:
        """The engine is the session's."""
        of = "cache_lookups_total"
        return [figure(service, of, cache=cache, result=result) for cache in caches]

    hits, misses = lookups("hit"), lookups("miss")
    request = generate_request(
        reference.prompt(),
        image_digest=service.store.add(png(seed=77)),
        adapter_digest=service.store.add(adapter_of(reference.adapted(seed=77))),
    )
    for _ in range(3):
        await service.stub.Generate(request)
    assert lookups("hit") == [count + 2 for count in hits]
    assert lookups("miss") == [count + 1 for count in misses]
    of_blobs = {"name": "cache_lookups_total", "cache": "blobs"}
    assert figure(service, **of_blobs, result="hit") == 4
    assert figure(service, **of_blobs, result="miss") == 2


async def test_completions_wait_until_the_engine_begins(tmp_path: Path):
    engine, room = SlowEngine(), {"max_batch_completions": 4, "max_waiting_completions": 0}
    async with running_service(engine, tmp_path, **room) as service:
        request = generate_request([1], num_completions=2)
        calls = [asyncio.ensure_future(service.stub.Generate(request)) for _ in range(2)]
        await eventually(lambda: figure(service, "queue_depth") == 4)
        assert figure(service, "completions_in_progress") == 4
        code, _ = await refused(service.stub.Generate(request))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert figure(service, "groups_refused_total") == 1
        assert figure(service, "wait_seconds_count") == 0
        engine.release.set()
        await asyncio.gather(*calls)
        assert figure(service, "wait_seconds_count") == 2
        assert figure(service, "queue_depth") == figure(service, "completions_in_progress") == 0


async def test_a_request_that_is_given_up_waits_no_more(tmp_path: Path):
    async with running_service(SlowEngine(), tmp_path) as service:
        call = service.stub.Generate(generate_request([1], num_completions=2))
        await eventually(lambda: figure(service, "queue_depth") == 2)
        call.cancel()
        await eventually(lambda: figure(service, "queue_depth") == 0)
        assert figure(service, "wait_seconds_count") == 0
