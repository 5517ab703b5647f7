"""The learner's client over several replicas: real processes and servers behind one list."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from learner_service.clients.retry import Retry
from learner_service.clients.rollouts import IDEMPOTENT_METHODS, Prompt, RolloutClient, Sampling
from tally.rollout.v1.rollout_pb2_grpc import add_RolloutServiceServicer_to_server
from tally.rpc.channel import open_channel
from tally.rpc.settings import ClientSettings
from tests.fakes.rollout import FakeRollouts
from tests.fakes.serving import serve

ROOT = Path(__file__).parents[3]
PROMPTS = [Prompt(token_ids=(n, 7), image_digest="", seed=n) for n in range(12)]
SAMPLING = Sampling(num_completions=4, temperature=1.0, max_new_tokens=5)


@contextmanager
def replica() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The rollout service as a process, its engine a short sleep; and its port."""
    command = [sys.executable, "-m", "bench.delayed_replica", "0.02", "--server.port", "0"]
    paths = str(ROOT)
    environment = os.environ | {"PYTHONPATH": paths}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    with process:
        try:
            ports = (re.search(r"listening on .*:(\d+)", line) for line in process.stderr)
            yield process, next(int(match[1]) for match in ports if match)
        finally:
            process.kill()


@asynccontextmanager
async def client_of(ports: list[int], waits: list[bool]) -> AsyncIterator[RolloutClient]:
    """No deadline and no bound helps it within a test."""
    settings = ClientSettings(
        target="ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports),
        timeout_seconds=3600,
        keepalive_seconds=1,
    )
    async with open_channel(
        settings, idempotent_methods=IDEMPOTENT_METHODS, health_checked=True
    ) as channel:
        yield RolloutClient(channel, Retry(3600, waits.append), concurrency=256)


async def ask(client: RolloutClient, adapter_digest: str = "") -> None:
    groups = await client.generate(PROMPTS, adapter_digest, SAMPLING)
    assert [{c.token_ids[0] for c in group} for group in groups] == [{n} for n in range(12)]
    assert {len(group) for group in groups} == {4}
    assert {c.adapter_digest for group in groups for c in group} == {adapter_digest}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
async def test_a_replica_that_goes_amid_a_step_is_left_and_its_groups_go_elsewhere(number):
    waits: list[bool] = []
    with ExitStack() as running:
        replicas = [running.enter_context(replica()) for _ in range(3)]
        async with client_of([port for _, port in replicas], waits) as client:
            await ask(client)
            step = asyncio.create_task(ask(client))
            await asyncio.sleep(0.03)
            replicas[0][0].send_signal(number)
            await step
            await ask(client)
    assert waits == []


@asynccontextmanager
async def served(servicers: list[FakeRollouts]) -> AsyncIterator[list[int]]:
    """The ports of a server for each."""
    async with AsyncExitStack() as running:
        yield [
            (
                await running.enter_async_context(serve(add_RolloutServiceServicer_to_server, one))
            ).port
            for one in servicers
        ]


async def test_a_full_replica_s_groups_go_to_those_that_have_room():
    servicers, waits, asked = [FakeRollouts(room=0), FakeRollouts(), FakeRollouts()], [], 0
    async with served(servicers) as ports, client_of(ports, waits) as client:
        # A channel connects to one after the other, and may do without the last at first.
        while not all(one.calls for one in servicers):
            await ask(client, "a" * 64)
            asked += len(PROMPTS)
    assert waits == []
    assert servicers[0].answers == 0
    assert sum(one.answers for one in servicers) == asked
