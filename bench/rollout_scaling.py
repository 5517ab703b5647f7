"""`python -m bench.rollout_scaling`: groups per second over 1, 2, 4 and 8 rollout replicas.

Every replica is a process of its own: the real rollout service with its admission, blob cache and
gRPC server, whose engine alone is a stand-in that takes a fixed time for a group, one group at a
time. Blobs come from a real learner service, and the client is the learner's. So the figures show
what balancing, admission and transport cost, and not how fast a model is.
"""

import argparse
import asyncio
import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import services
from bench.delayed_replica import IMAGE_TOKEN_ID
from bench.report import options, print_json, print_table
from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.retry import Retry
from learner_service.clients.rollouts import IDEMPOTENT_METHODS, Prompt, RolloutClient, Sampling
from learner_service.settings import LearnerSettings
from tally.rpc.channel import open_channel


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A step of `groups_per_replica` groups for each replica; `steps` of them are measured."""

    replicas: tuple[int, ...] = (1, 2, 4, 8)
    group_seconds: float = 0.4
    groups_per_replica: int = 16
    steps: int = 2
    num_completions: int = 8
    prompt_tokens: int = 400
    max_new_tokens: int = 16
    images: int = 16
    image_bytes: int = 100_000
    adapter_bytes: int = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one number of replicas reached."""

    groups_per_second: float
    client_milliseconds_per_group: float  # of the client's processor time


def main() -> None:
    arguments = _parse_arguments()
    settings = Settings(group_seconds=arguments.group_seconds)
    if arguments.quick:
        settings = Settings(group_seconds=0.2, groups_per_replica=4, replicas=(1, 2), steps=1)
    figures = {number: asyncio.run(_measure(number, settings)) for number in settings.replicas}
    single = figures[settings.replicas[0]].groups_per_second
    linear = {n: f.groups_per_second / (n * single) for n, f in figures.items()}
    print_table(
        ["replicas", "groups/s", "of linear", "client ms/group"],
        [
            [n, f.groups_per_second, linear[n], f.client_milliseconds_per_group]
            for n, f in figures.items()
        ],
    )
    print_json(
        "rollout_scaling",
        asdict(settings),
        {str(n): asdict(f) | {"of_linear": linear[n]} for n, f in figures.items()},
    )


def _parse_arguments() -> argparse.Namespace:
    parser = options(__doc__.splitlines()[0])
    parser.add_argument(
        "--group-seconds", type=float, default=Settings.group_seconds, help="what a group takes"
    )
    return parser.parse_args()


async def _measure(replicas: int, settings: Settings) -> Figures:
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        blobs = _Blobs(folder / "blobs", settings)
        command = ["learner_service", "--server.port", "0", "--data-dir", str(folder)]
        store = running.enter_context(services.run_service(*command))
        command = ["bench.delayed_replica", str(settings.group_seconds)]
        command += ["--blob.target", f"127.0.0.1:{store.port}", "--server.port", "0"]
        # The stand-in takes one group at a time: a batch is a group, and one more may wait.
        command += ["--max-batch-completions", str(settings.num_completions)]
        command += ["--max-waiting-completions", str(settings.num_completions)]
        command += ["--max-waiting-seconds", "0"]
        started = [running.enter_context(services.run_service(*command)) for _ in range(replicas)]
        ports = [service.port for service in started]
        return await _steps(ports, blobs, settings)


async def _steps(ports: list[int], blobs: "_Blobs", settings: Settings) -> Figures:
    """The first step, which isn't counted, opens connections and fetches images."""
    learner = LearnerSettings()
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    address = learner.rollout.model_copy(update={"target": target})
    groups = settings.groups_per_replica * len(ports)
    async with open_channel(
        address, idempotent_methods=IDEMPOTENT_METHODS, health_checked=True
    ) as channel:
        retry = Retry(60, lambda waiting: None)
        client = RolloutClient(channel, retry, learner.rollout_concurrency)
        seconds, processor_seconds = 0.0, 0.0
        for step in range(settings.steps + 1):
            started, busy = time.perf_counter(), time.process_time()
            answered = await client.generate(
                blobs.prompts(groups), blobs.adapters[step], _sampling(settings)
            )
            assert len(answered) == groups
            if step:
                seconds += time.perf_counter() - started
                processor_seconds += time.process_time() - busy
    total = groups * settings.steps
    return Figures(
        groups_per_second=total / seconds,
        client_milliseconds_per_group=1000 * processor_seconds / total,
    )


def _sampling(settings: Settings) -> Sampling:
    return Sampling(
        num_completions=settings.num_completions,
        temperature=1.0,
        max_new_tokens=settings.max_new_tokens,
    )


class _Blobs:
    """The images that prompts name, and an adapter for each step, in a learner's blob store."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        store = BlobStore(folder)
        self._prompt_tokens = settings.prompt_tokens
        self._images = [
            store.put_bytes(os.urandom(settings.image_bytes)) for _ in range(settings.images)
        ]
        self.adapters = [
            store.put_bytes(os.urandom(settings.adapter_bytes)) for _ in range(settings.steps + 1)
        ]

    def prompts(self, number: int) -> list[Prompt]:
        """As a step has them: most of the tokens are the image's."""
        question = 40
        token_ids = (IMAGE_TOKEN_ID,) * (self._prompt_tokens - question) + (7,) * question
        return [
            Prompt(token_ids=token_ids, image_digest=self._images[i % len(self._images)], seed=i)
            for i in range(number)
        ]


if __name__ == "__main__":
    main()
