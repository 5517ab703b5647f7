"""The engine over vLLM: its scheduler batches what waits, its processes do the torch work."""

import asyncio
import itertools
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import VLLMClientError
from vllm.lora.request import LoRARequest
from vllm.outputs import RequestOutput
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError

from rollout_service.model import load_outline
from rollout_service.settings import RolloutSettings
from rollout_service.vllm_engine.adapters import VllmAdapters
from rollout_service.vllm_engine.options import engine_options, environment
from rollout_service.vllm_engine.renderer import VllmRenderer
from rollout_service.vllm_engine.requests import VllmPrompts, completion_of, sampling_parameters
from rollout_service.vllm_engine.turns import Turns
from tally.host.lookups import Lookups
from tally.rpc.errors import Internal
from tally.sampling.adapter_file import (
    LoraStructure,
    adaptable_layers,
    check_magnitude,
    read_adapter,
)
from tally.sampling.engine import Completion, GenerationRequest, ModelDescription
from tally.sampling.errors import BadRequest, EngineDied, EngineNotReady, OutOfMemory
from tally.sampling.model import LoadedModel, describe, warm_up_request
from tally.weights.checkpoint import find_checkpoint

_WATCH_SECONDS = 0.5
# vLLM's process never got the image, as when the request that had it was given up. This process
# has learnt of that by then, and sends it.
_LOST_IMAGE = "error"
# vLLM's own limits: it raises a lower temperature to the least one, and refuses a higher one.
_LEAST_TEMPERATURE = 0.01
_MOST_TEMPERATURE = 2.0


@dataclass(frozen=True, kw_only=True)
class _Running:
    """What is there once the engine is loaded."""

    llm: AsyncLLM
    outline: LoadedModel
    renderer: VllmRenderer
    adapters: VllmAdapters
    turns: Turns
    description: ModelDescription


class VllmEngine:
    """vLLM's asynchronous engine in the event loop that `generate` is called from."""

    def __init__(self, settings: RolloutSettings) -> None:
        self._settings = settings
        self._running: _Running | None = None
        self._in_progress: set[asyncio.Task[list[Completion]]] = set()
        self._numbers = itertools.count()
        self._folder: Path | None = None
        self._closed = False

    @property
    def lookups(self) -> Mapping[str, Lookups]:
        return {"adapters": self._running.adapters.lookups} if self._running else {}

    async def load(self) -> ModelDescription:
        """Raises ValueError for settings that vLLM as it is installed can't fulfil."""
        if self._running is None:
            outline, llm = await asyncio.to_thread(_start, self._settings)
            self._running = self._assemble(outline, llm)
            await self.generate(warm_up_request(outline))
        return self._running.description

    async def generate(self, request: GenerationRequest) -> list[Completion]:
        if self._closed or self._running is None:
            raise EngineNotReady("the engine is not running")
        sampling = asyncio.create_task(_Sampling(self._running, request, next(self._numbers)).run())
        self._in_progress.add(sampling)
        try:
            return await sampling
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if self._closed and caller and not caller.cancelling():
                raise EngineNotReady("the engine is closing") from None
            raise
        finally:
            self._in_progress.discard(sampling)

    async def watch(self) -> None:
        # vLLM has no event for it.
        while self._running is None or not self._running.llm.errored:  # noqa: ASYNC110
            await asyncio.sleep(_WATCH_SECONDS)
        raise EngineDied("vLLM's engine has died")

    async def close(self) -> None:
        self._closed = True
        ending = list(self._in_progress)
        for sampling in ending:
            sampling.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if self._running is not None:
            if self._running.llm.output_handler:
                # It would take the end of vLLM's process for a fault.
                self._running.llm.output_handler.cancel()
            await asyncio.to_thread(self._running.llm.shutdown)
            self._running = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _assemble(self, outline: LoadedModel, llm: AsyncLLM) -> _Running:
        layers = adaptable_layers(outline.model, outline.family)
        most = min(self._settings.max_lora_rank, self._settings.vllm.max_lora_rank)

        def read_structure(path: Path) -> LoraStructure:
            weights = read_adapter(path, layers, most)
            check_magnitude(weights)
            return weights.structure

        self._folder = _adapter_folder(self._settings)
        return _Running(
            llm=llm,
            outline=outline,
            renderer=VllmRenderer(llm.renderer, VllmPrompts(outline)),
            adapters=VllmAdapters(
                llm, self._folder, self._settings.max_resident_adapters, read_structure
            ),
            turns=Turns(self._settings.max_batch_completions),
            description=describe(
                outline,
                engine="vllm",
                max_sequence_tokens=self._settings.max_sequence_tokens,
                temperatures=(_LEAST_TEMPERATURE, _MOST_TEMPERATURE),
            ),
        )


def _start(settings: RolloutSettings) -> tuple[LoadedModel, AsyncLLM]:
    """Takes a minute or so: it starts processes, which load and compile the model.

    Raises OSError for a model without safetensors files.
    """
    outline = load_outline(settings)
    # Of a hub name vLLM would fetch a pickle where there is no other.
    find_checkpoint(settings.model)
    options = engine_options(settings, outline, on_gpu=torch.cuda.is_available())
    os.environ.update(environment(settings, os.environ))
    return outline, AsyncLLM.from_engine_args(AsyncEngineArgs(seed=secrets.randbits(31), **options))


def _adapter_folder(settings: RolloutSettings) -> Path:
    """Beside the blobs, so that hard links reach them; empty."""
    if settings.cache_dir is None:
        return Path(tempfile.mkdtemp(prefix="tally-vllm-"))
    folder = settings.cache_dir / "vllm-adapters"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class _Sampling:
    """One request on its way through vLLM; `number` is its own."""

    def __init__(self, running: _Running, request: GenerationRequest, number: int) -> None:
        self._running = running
        self._request = request
        self._number = number

    async def run(self) -> list[Completion]:
        request = self._request
        async with AsyncExitStack() as held:
            lora = None
            if request.adapter:
                lora = await held.enter_async_context(self._running.adapters.hold(request.adapter))
            held.enter_context(self._running.turns.take(request.num_completions, request.on_begin))
            with _translate_errors():
                output = await self._sample(lora)
                if any(one.finish_reason == _LOST_IMAGE for one in output.outputs):
                    output = await self._sample(lora)
        return self._completions(output)

    async def _sample(self, lora: LoRARequest | None) -> RequestOutput:
        parameters = sampling_parameters(self._request, self._running.outline)
        rendered = await self._running.renderer.render(self._request)
        return await _last(
            self._running.llm.generate(rendered, parameters, str(self._number), lora_request=lora)
        )

    def _completions(self, output: RequestOutput) -> list[Completion]:
        request = self._request
        if tuple(output.prompt_token_ids or ()) != request.prompt_token_ids:
            raise Internal("the engine made another prompt of the request's tokens")
        digest = request.adapter_digest
        completions = [completion_of(one, digest) for one in output.outputs]
        return completions * (request.num_completions // len(completions))


async def _last(outputs: AsyncIterator[RequestOutput]) -> RequestOutput:
    last = None
    async for output in outputs:
        last = output
    if last is None:
        raise Internal("the engine gave no answer")
    return last


@contextmanager
def _translate_errors() -> Iterator[None]:
    """vLLM's exceptions as this service's own; an unforeseen one stays as it is."""
    try:
        yield
    except EngineDeadError:
        raise EngineNotReady("the engine has died; the service is about to end") from None
    except VLLMClientError as error:
        raise BadRequest(f"prompt_token_ids: {error}") from error
    except (MemoryError, torch.OutOfMemoryError) as error:
        message = "not enough memory for this request now; try again later"
        raise OutOfMemory(message) from error
