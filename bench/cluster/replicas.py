"""A job's step over hundreds of replicas: what its client takes."""

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.cluster.plan import Plan
from bench.processes import resident_bytes
from bench.services import run_service
from learner_service.clients.retry import Retry
from learner_service.clients.rollouts import IDEMPOTENT_METHODS, Prompt, RolloutClient, Sampling
from learner_service.settings import LearnerSettings
from tally.rpc.channel import open_channel

_MIB = 1024**2
_PROMPT_TOKENS = 400
_SAMPLING = Sampling(num_completions=8, temperature=1.0, max_new_tokens=16)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """`first_seconds` are those of the first step, which opens all connections; `milliseconds` are
    of the client's processor, for each group; `mib` is what the client grew by."""

    first_seconds: float
    milliseconds_per_group: float
    mib: float


def measure(replicas: int, plan: Plan) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        ports_file = Path(folder, "ports")
        with run_service("bench.cluster.replica_servicer", str(replicas), str(ports_file)):
            ports = ports_file.read_text().split()
            return asyncio.run(_ask(ports, plan.groups_per_replica * replicas))


async def _ask(ports: list[str], groups: int) -> Figures:
    settings = LearnerSettings()
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    address = settings.rollout.model_copy(update={"target": target})
    prompts = [
        Prompt(token_ids=(7,) * _PROMPT_TOKENS, image_digest="a" * 64, seed=number)
        for number in range(groups)
    ]
    had_bytes = resident_bytes()
    async with open_channel(address, idempotent_methods=IDEMPOTENT_METHODS) as channel:
        retry = Retry(60, lambda waiting: None)
        client = RolloutClient(channel, retry, settings.rollout_concurrency)
        started = time.perf_counter()
        await client.generate(prompts, "", _SAMPLING)
        first_seconds, busy = time.perf_counter() - started, time.process_time()
        await client.generate(prompts, "", _SAMPLING)
        spent = time.process_time() - busy
        return Figures(
            first_seconds=first_seconds,
            milliseconds_per_group=1e3 * spent / groups,
            mib=(resident_bytes() - had_bytes) / _MIB,
        )
