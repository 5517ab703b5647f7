"""Completions per second through the rollout service against vLLM's own offline LLM.generate.

Both sides run vLLM with the same settings on the same prompts, images and adapter. The service is
a process of its own with its defaults and is asked by the learner's own client over gRPC; the
offline side is given decoded images. Caches are warm on both. The offline side has vLLM's own
scheduler unless `--same-scheduler` gives it the service's.

The policies are the small one, where what Python does decides, and one of a hundred times its size
with random weights.
"""

import itertools
import json
import os
import tempfile
import threading
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
import vllm
from vllm import LLM
from vllm.lora.request import LoRARequest

from bench import services
from bench.measure import in_turn, median_ratio, seconds
from bench.models import SHAPES, write_policy
from bench.report import options, print_json, print_table
from bench.rollout_workload import LORA, Workload
from learner_service.blobs.blob_servicer import BlobServicer
from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.background import BackgroundLoop
from learner_service.clients.retry import Retry
from learner_service.clients.rollouts import IDEMPOTENT_METHODS, Prompt, RolloutClient, Sampling
from rollout_service.model import load_outline
from rollout_service.settings import RolloutSettings
from rollout_service.vllm_engine.options import engine_options, environment
from rollout_service.vllm_engine.requests import VllmPrompts, sampling_parameters
from tally.blob.v1 import blob_pb2_grpc
from tally.families.qwen2_5_vl import QWEN2_5_VL
from tally.rpc.channel import open_channel
from tally.rpc.server import RpcServer
from tally.rpc.settings import ClientSettings, ServerSettings
from tally.samples.small_policy import POLICY_PATH
from tally.sampling.engine import GenerationRequest, LocalBlob


@dataclass(frozen=True, kw_only=True)
class Round:
    """`groups` prompts of a policy, asked for at once, `repeats` times."""

    policy: str
    groups: int
    repeats: int


_ROUNDS = (
    Round(policy="small", groups=64, repeats=15),
    Round(policy="medium", groups=8, repeats=3),
)
_QUICK_ROUNDS = (
    Round(policy="small", groups=8, repeats=2),
    Round(policy="medium", groups=1, repeats=1),
)
_SAMPLING = Sampling(num_completions=8, temperature=1.0, max_new_tokens=12)


class Offline:
    """vLLM's LLM in this process, its requests prepared beforehand."""

    def __init__(
        self, settings: RolloutSettings, workload: Workload, folder: Path, *, same_scheduler: bool
    ) -> None:
        self._workload = workload
        self._outline = load_outline(settings)
        self._prompts = VllmPrompts(self._outline)
        os.environ.update(environment(settings, os.environ))
        on_gpu = torch.cuda.is_available()
        options = engine_options(settings, self._outline, on_gpu=on_gpu)
        if not same_scheduler:
            options.pop("scheduler_cls", None)
        self._llm = LLM(**options)
        self._lora = LoRARequest("bench", 1, str(_adapter_folder(folder, workload)))

    def seconds(self, number: int) -> float:
        requests = [self._request(prompt) for prompt in self._workload.round(number)]
        prompts = [self._prompts.with_pixels(one, one.image) for one in requests if one.image]
        parameters = [sampling_parameters(request, self._outline) for request in requests]
        return seconds(
            lambda: self._llm.generate(prompts, parameters, use_tqdm=False, lora_request=self._lora)
        )

    def close(self) -> None:
        self._llm.llm_engine.engine_core.shutdown()

    def _request(self, prompt: Prompt) -> GenerationRequest:
        path = self._workload.store.path(prompt.image_digest)
        return GenerationRequest(
            prompt_token_ids=prompt.token_ids,
            num_completions=_SAMPLING.num_completions,
            temperature=_SAMPLING.temperature,
            max_new_tokens=_SAMPLING.max_new_tokens,
            seed=prompt.seed,
            image=LocalBlob(digest=prompt.image_digest, path=path),
        )


def _adapter_folder(folder: Path, workload: Workload) -> Path:
    adapter = folder / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").symlink_to(workload.store.path(workload.adapter_digest))
    targets = list(QWEN2_5_VL.projections.names)
    config = {"peft_type": "LORA", "r": LORA.r, "lora_alpha": LORA.lora_alpha}
    (adapter / "adapter_config.json").write_text(
        json.dumps(config | {"target_modules": targets, "bias": "none"})
    )
    return adapter


class Service:
    """The rollout service, asked by the learner's client in its loop, as a worker does."""

    def __init__(self, loop: BackgroundLoop, client: RolloutClient, workload: Workload) -> None:
        self._loop = loop
        self._client = client
        self._workload = workload

    def seconds(self, number: int) -> float:
        prompts, digest = self._workload.round(number), self._workload.adapter_digest
        return seconds(lambda: self._loop.run(self._client.generate(prompts, digest, _SAMPLING)))


@asynccontextmanager
async def _client(settings: RolloutSettings, store: BlobStore) -> AsyncIterator[RolloutClient]:
    async with AsyncExitStack() as stack:
        blobs = RpcServer(
            ServerSettings(),
            service_names=[],
            register=lambda s: blob_pb2_grpc.add_BlobServiceServicer_to_server(
                BlobServicer(store), s
            ),
        )
        await blobs.start()
        stack.push_async_callback(blobs.stop, 0)
        service = stack.enter_context(
            services.run_service(
                *("rollout_service", "--server.port", "0"),
                *("--engine", "vllm", "--model", settings.model),
                *("--torch-threads", str(settings.torch_threads)),
                *("--blob.target", f"127.0.0.1:{blobs.port}"),
            )
        )
        channel = open_channel(
            ClientSettings(target=f"127.0.0.1:{service.port}", timeout_seconds=600),
            idempotent_methods=IDEMPOTENT_METHODS,
            health_checked=True,
        )
        await stack.enter_async_context(channel)
        yield RolloutClient(channel, Retry(600, lambda waiting: None), concurrency=64)


@contextmanager
def _sides(arguments: Namespace, one: Round) -> Iterator[tuple[Service, Offline]]:
    loop, serving = BackgroundLoop(threading.Event()), AsyncExitStack()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = RolloutSettings(
            model=str(_policy(one.policy, folder / "policy")),
            engine="vllm",
            torch_threads=arguments.torch_threads,
        )
        workload = Workload(settings.model, one.groups, arguments.image_pixels, folder)
        try:
            client = loop.run(serving.enter_async_context(_client(settings, workload.store)))
            offline = Offline(settings, workload, folder, same_scheduler=arguments.same_scheduler)
            yield Service(loop, client, workload), offline
            offline.close()
        finally:
            loop.run(serving.aclose())
            loop.close()


def _policy(name: str, folder: Path) -> Path:
    if name == "small":
        return POLICY_PATH
    # Without entries that no token has: each of them is barred, and a bias of every request.
    return write_policy(replace(SHAPES[name], vocab_size=0), folder)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--image-pixels", type=int, default=112)
    parser.add_argument("--torch-threads", type=int, default=1)
    parser.add_argument(
        "--same-scheduler", action="store_true", help="give the offline side the service's, too"
    )
    arguments = parser.parse_args()
    rounds = _QUICK_ROUNDS if arguments.quick else _ROUNDS
    figures = {one.policy: _figures(one, _measure(arguments, one)) for one in rounds}
    _report(arguments, rounds, figures)


def _measure(arguments: Namespace, one: Round) -> dict[str, list[float]]:
    """Seconds of each round, by side; both get the same seeds."""
    with _sides(arguments, one) as (service, offline):
        service_rounds, offline_rounds = itertools.count(), itertools.count()
        return in_turn(
            {
                "offline": lambda: offline.seconds(next(offline_rounds)),
                "service": lambda: service.seconds(next(service_rounds)),
            },
            one.repeats,
            warm_ups=2,
        )


def _figures(one: Round, taken: dict[str, list[float]]) -> dict[str, Any]:
    completions = one.groups * _SAMPLING.num_completions
    rates = {side: [completions / seconds for seconds in taken[side]] for side in taken}
    return {
        "completions_per_second": rates,
        "ratio": median_ratio(rates["service"], rates["offline"]),
    }


def _report(
    arguments: Namespace, rounds: Sequence[Round], figures: dict[str, dict[str, Any]]
) -> None:
    rows: list[list[object]] = []
    for policy, of_policy in figures.items():
        for name, side, share in (
            ("vLLM's LLM.generate", "offline", 1.0),
            ("the service over gRPC", "service", of_policy["ratio"]),
        ):
            rates = of_policy["completions_per_second"][side]
            rows.append([policy, name, median(rates), min(rates), max(rates), share])
    print_table(["policy", "", "completions/s", "least", "most", "of offline"], rows)
    settings = vars(arguments) | {"rounds": [asdict(one) for one in rounds]}
    settings |= {"completions_per_group": _SAMPLING.num_completions, "vllm": vllm.__version__}
    print_json("rollout_overhead", settings, figures)


if __name__ == "__main__":
    main()
