"""Completions per second through the rollout service against vLLM's own offline LLM.generate.

Both sides run vLLM with the same settings on the same prompts, images and adapter. The service is
a process of its own and is asked by the learner's own client over gRPC; the offline side is given
decoded images. Caches are warm on both.
"""

import io
import itertools
import json
import os
import re
import tempfile
import threading
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from statistics import median

import torch
import vllm
from PIL import Image
from vllm import LLM
from vllm.lora.request import LoRARequest

from bench import services
from bench.measure import in_turn, median_ratio, seconds
from bench.report import options, print_json, print_table
from learner_service.blobs.blob_servicer import BlobServicer
from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.background import BackgroundLoop
from learner_service.clients.patience import Patience
from learner_service.clients.rollouts import IDEMPOTENT_METHODS, Prompt, RolloutClient, Sampling
from learner_service.data.prompts import PromptBuilder
from learner_service.policy.adapters import AdapterPublisher
from learner_service.policy.policy import LORA_TARGETS, Policy, PolicySettings
from learner_service.spec import LoraSettings
from rollout_service.engine import GenerationRequest, LocalBlob
from rollout_service.model_family import load_outline
from rollout_service.settings import RolloutSettings
from rollout_service.vllm_options import engine_options, environment
from rollout_service.vllm_requests import VllmPrompts, sampling_parameters
from rpc.channel import open_channel
from rpc.names import model_name
from rpc.server import RpcServer
from rpc.settings import ClientSettings, ServerSettings
from samples.scenes import draw_scene
from samples.small_policy import POLICY_PATH
from tally.blob.v1 import blob_pb2_grpc

_LORA = LoraSettings(r=16, lora_alpha=32, lora_dropout=0)
_MOST_WAITING = 1024
_SAMPLING = Sampling(num_completions=8, temperature=1.0, max_new_tokens=12)


class Work:
    """The groups that both sides sample: prompts, staged images and one adapter, in `store`."""

    def __init__(self, model: str, groups: int, image_pixels: int, folder: Path) -> None:
        self.store = BlobStore(folder / "blobs")
        policy = Policy(
            PolicySettings(
                source=model,
                device="cpu",
                dtype=torch.float32,
                use_4bit=False,
                seed=0,
                feature_cache_bytes=0,
            ),
            _LORA,
        )
        publisher = AdapterPublisher(self.store, folder / "published.txt")
        self.adapter_digest = publisher.publish(policy.model)
        self._builder = PromptBuilder(policy.tokenizer, policy.image_token_id)
        self._grid = policy.image_grid
        self._size = (image_pixels, image_pixels)
        self._prompts = [self._prompt(Random(number)) for number in range(groups)]

    def _prompt(self, random: Random) -> Prompt:
        scene = draw_scene(random)
        file = io.BytesIO()
        scene.image.resize(self._size, Image.Resampling.BICUBIC).save(file, "PNG")
        return Prompt(
            token_ids=tuple(
                self._builder.prompt_ids(scene.question, self._grid.tokens(*self._size))
            ),
            image_digest=self.store.put_bytes(file.getvalue()),
            seed=0,
        )

    def round(self, number: int) -> list[Prompt]:
        """The prompts with seeds of their own."""
        return [
            Prompt(token_ids=p.token_ids, image_digest=p.image_digest, seed=number * 1000 + i)
            for i, p in enumerate(self._prompts)
        ]


class Offline:
    """vLLM's LLM in this process, its requests prepared beforehand."""

    def __init__(self, settings: RolloutSettings, work: Work, folder: Path) -> None:
        self._work = work
        self._outline = load_outline(settings)
        self._prompts = VllmPrompts(self._outline)
        os.environ.update(environment(settings, os.environ))
        on_gpu = torch.cuda.is_available()
        self._llm = LLM(**engine_options(settings, self._outline, on_gpu=on_gpu))
        self._lora = LoRARequest("bench", 1, str(_adapter_folder(folder, work)))

    def seconds(self, number: int) -> float:
        requests = [self._request(prompt) for prompt in self._work.round(number)]
        prompts = [self._prompts.with_pixels(one, one.image) for one in requests if one.image]
        parameters = [sampling_parameters(request, self._outline) for request in requests]
        return seconds(
            lambda: self._llm.generate(prompts, parameters, use_tqdm=False, lora_request=self._lora)
        )

    def _request(self, prompt: Prompt) -> GenerationRequest:
        path = self._work.store.path(prompt.image_digest)
        return GenerationRequest(
            prompt_token_ids=prompt.token_ids,
            num_completions=_SAMPLING.num_completions,
            temperature=_SAMPLING.temperature,
            max_new_tokens=_SAMPLING.max_new_tokens,
            seed=prompt.seed,
            image=LocalBlob(digest=prompt.image_digest, path=path),
        )


def _adapter_folder(folder: Path, work: Work) -> Path:
    adapter = folder / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").symlink_to(work.store.path(work.adapter_digest))
    targets = re.findall(r"\w+_proj", LORA_TARGETS)
    config = {"peft_type": "LORA", "r": _LORA.r, "lora_alpha": _LORA.lora_alpha}
    (adapter / "adapter_config.json").write_text(
        json.dumps(config | {"target_modules": targets, "bias": "none"})
    )
    return adapter


class Service:
    """The rollout service, asked by the learner's client in its loop, as a worker does."""

    def __init__(self, loop: BackgroundLoop, client: RolloutClient, work: Work) -> None:
        self._loop = loop
        self._client = client
        self._work = work

    def seconds(self, number: int) -> float:
        prompts, digest = self._work.round(number), self._work.adapter_digest
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
        port = stack.enter_context(
            services.running(
                *("rollout_service", "--server.port", "0"),
                *("--engine", "vllm", "--model", settings.model),
                *("--torch-threads", str(settings.torch_threads)),
                *("--blob.target", f"127.0.0.1:{blobs.port}"),
                # A replica that is alone has nobody to turn a group away to.
                *("--max-waiting-completions", str(_MOST_WAITING)),
            )
        )
        channel = open_channel(
            ClientSettings(target=f"127.0.0.1:{port}", timeout_seconds=600),
            idempotent_methods=IDEMPOTENT_METHODS,
            health_checked=True,
        )
        await stack.enter_async_context(channel)
        yield RolloutClient(channel, Patience(600, lambda waiting: None), concurrency=64)


@contextmanager
def _sides(arguments: Namespace, groups: int) -> Iterator[tuple[Service, Offline]]:
    settings = RolloutSettings(
        model=arguments.model, engine="vllm", torch_threads=arguments.torch_threads
    )
    loop, serving = BackgroundLoop(threading.Event()), AsyncExitStack()
    with tempfile.TemporaryDirectory() as folder:
        work = Work(arguments.model, groups, arguments.image_pixels, Path(folder))
        try:
            client = loop.run(serving.enter_async_context(_client(settings, work.store)))
            yield Service(loop, client, work), Offline(settings, work, Path(folder))
        finally:
            loop.run(serving.aclose())


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--model", default=str(POLICY_PATH))
    parser.add_argument("--image-pixels", type=int, default=112)
    parser.add_argument("--torch-threads", type=int, default=1)
    arguments = parser.parse_args()
    groups, repeats = (8, 2) if arguments.quick else (64, 15)
    with _sides(arguments, groups) as (service, offline):
        service_rounds, offline_rounds = itertools.count(), itertools.count()
        taken = in_turn(
            {
                "offline": lambda: offline.seconds(next(offline_rounds)),
                "service": lambda: service.seconds(next(service_rounds)),
            },
            repeats,
            warm_ups=2,
        )
    _report(arguments, groups, taken)


def _report(arguments: Namespace, groups: int, taken: dict[str, list[float]]) -> None:
    completions = groups * _SAMPLING.num_completions
    rates = {name: [completions / one for one in figures] for name, figures in taken.items()}
    ratio = median_ratio(rates["service"], rates["offline"])
    print_table(
        ["", "completions/s", "least", "most", "of offline"],
        [
            [name, median(rates[side]), min(rates[side]), max(rates[side]), share]
            for name, side, share in (
                ("vLLM's LLM.generate", "offline", 1.0),
                ("the service over gRPC", "service", ratio),
            )
        ],
    )
    settings = {key: value for key, value in vars(arguments).items() if key != "model"}
    settings |= {"groups": groups, "completions_per_group": _SAMPLING.num_completions}
    settings |= {"max_waiting_completions": _MOST_WAITING}
    settings |= {"model": model_name(arguments.model), "vllm": vllm.__version__}
    print_json("rollout_overhead", settings, {"completions_per_second": rates, "ratio": ratio})


if __name__ == "__main__":
    main()
