"""The engine over torch: one thread does the torch work, requests wait in line for it."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch

from tally.host.allocator import large_blocks_apart
from tally.host.lookups import Lookups
from tally.rpc.errors import TallyError
from tally.sampling.adapter_file import adaptable_layers
from tally.sampling.engine import Completion, GenerationRequest, ModelDescription
from tally.sampling.errors import EngineNotReady, OutOfMemory
from tally.sampling.model import LoadedModel, describe, warm_up_request
from tally.torch_engine.adapters import ResidentAdapters
from tally.torch_engine.decoding import Decoder, Prefilled, Prompt
from tally.torch_engine.kv_cache import ReadPrompt
from tally.torch_engine.language_model import LanguageModel
from tally.torch_engine.limits import EngineLimits
from tally.torch_engine.vision import VisionSource

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EngineParts:
    """What an engine samples with; `is_shared` where somebody else, who trains an adapter, computes
    with the same weights."""

    loaded: LoadedModel
    vision: VisionSource
    is_shared: bool = False


@dataclass(kw_only=True, eq=False)
class _Job:
    """A request in line, with its prompt where that has been read. `abandoned`: nobody waits for
    the answer any more."""

    request: GenerationRequest
    read: ReadPrompt | None
    answer: asyncio.Future[list[Completion]]
    abandoned: threading.Event = field(default_factory=threading.Event)

    def settle(self, result: list[Completion] | BaseException) -> None:
        if self.answer.done():
            return
        if isinstance(result, BaseException):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)


class TorchEngine:
    """First come, first served; those in line that sample alike are decoded together.

    `load_parts` is called by `load`, in the thread that then does the torch work.
    """

    def __init__(self, load_parts: Callable[[], EngineParts], limits: EngineLimits) -> None:
        self._load_parts = load_parts
        self._limits = limits
        self._torch_thread = ThreadPoolExecutor(1, thread_name_prefix="torch")
        self._line: deque[_Job] = deque()
        self._line_lock = threading.Lock()
        self._in_progress: list[_Job] = []
        self._sampler: _BatchSampler | None = None
        self._closed = False

    @property
    def lookups(self) -> Mapping[str, Lookups]:
        return self._sampler.lookups if self._sampler else {}

    async def load(self) -> ModelDescription:
        loop = asyncio.get_running_loop()
        self._sampler = await loop.run_in_executor(self._torch_thread, self._load)
        # On a CPU, bitsandbytes lays out its weights anew when they are first used.
        with large_blocks_apart():
            await self.generate(warm_up_request(self._sampler.loaded))
        return self._sampler.description

    async def generate(
        self, request: GenerationRequest, read: ReadPrompt | None = None
    ) -> list[Completion]:
        """`read`: the request's prompt, where somebody has read it with the adapter's weights."""
        if self._closed or self._sampler is None:
            raise EngineNotReady("the engine is not running")
        answer = asyncio.get_running_loop().create_future()
        job = _Job(request=request, read=read, answer=answer)
        with self._line_lock:
            self._line.append(job)
        self._torch_thread.submit(self._serve_next)
        try:
            return await job.answer
        finally:
            job.abandoned.set()

    async def watch(self) -> None:
        """It can't die apart from its process."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        self._closed = True
        with self._line_lock:
            ending = [job for job in (*self._line, *self._in_progress) if not job.answer.done()]
            self._line.clear()
        for job in ending:
            job.abandoned.set()
            job.settle(EngineNotReady("the engine is closing"))
        await asyncio.to_thread(self._torch_thread.shutdown)
        self._sampler = None

    def _load(self) -> "_BatchSampler":
        return _BatchSampler(self._load_parts(), self._limits)

    def _serve_next(self) -> None:
        """Runs in the torch thread, once per request; a batch leaves nothing for the later runs."""
        batch = self._take_from_line()
        if not batch or self._sampler is None:
            return
        try:
            self._sampler.serve(batch, self._take_from_line)
        except torch.OutOfMemoryError:
            _log.exception("out of memory with %d requests", len(self._in_progress))
            error = OutOfMemory("not enough memory for this request now; try again later")
            _deliver_all(self._in_progress, error)
        except Exception as error:
            _deliver_all(self._in_progress, error)
        finally:
            self._in_progress = []

    def _take_from_line(self) -> list[_Job]:
        """Those that can be decoded with what is in progress, or else the first in line and those
        behind it that sample alike, as far as they fit."""
        with self._line_lock:
            waiting = [job for job in self._line if not job.abandoned.is_set()]
            taken: list[_Job] = []
            for job in waiting:
                together = [*self._in_progress, *taken, job]
                rows = sum(one.request.num_completions for one in together)
                fits = len(together) == 1 or rows <= self._limits.max_batch_completions
                if fits and _kind(job.request) == _kind(together[0].request):
                    taken.append(job)
            self._line = deque(job for job in waiting if job not in taken)
            self._in_progress = [*self._in_progress, *taken]
        for job in taken:
            job.request.on_begin()
        return taken


class _BatchSampler:
    """The torch side of the engine, for its one thread."""

    def __init__(self, parts: EngineParts, limits: EngineLimits) -> None:
        loaded = self.loaded = parts.loaded
        self.description = describe(
            loaded, engine="transformers", max_sequence_tokens=limits.max_sequence_tokens
        )
        self._vision = parts.vision
        language_model = LanguageModel(loaded.model, loaded.family, is_shared=parts.is_shared)
        self._adapters = ResidentAdapters(
            adaptable_layers(loaded.model, loaded.family),
            language_model.projections,
            loaded.device,
            max_resident=limits.max_resident_adapters,
            max_rank=limits.max_lora_rank,
        )
        self._decoder = Decoder(loaded, language_model)
        self.lookups = {"adapters": self._adapters.lookups, **self._vision.lookups}

    def serve(self, batch: list[_Job], join: Callable[[], list[_Job]]) -> None:
        """Answers every job of `batch`; a request that is at fault fails alone.

        `join` takes those that came meanwhile and can be decoded together with the batch.
        """
        try:
            self._adapters.activate(batch[0].request.adapter)
        except TallyError as error:
            _deliver_all(batch, error)
            return
        with torch.inference_mode():
            ready: list[tuple[_Job, Prefilled]] = []
            while batch:
                ready += self._prefill(batch)
                batch = join()
            if not ready:
                return
            jobs, prompts = zip(*ready, strict=True)
            answers = self._decoder.decode(prompts, [job.abandoned.is_set for job in jobs])
        _deliver(jobs, answers)

    def _prefill(self, batch: list[_Job]) -> list[tuple[_Job, Prefilled]]:
        """Without those for whom nobody waits any more, and those that are refused."""
        batch = [job for job in batch if not job.abandoned.is_set()]
        taken_up = [
            (job, self._decoder.take_up(job.request, job.read)) for job in batch if job.read
        ]
        unread = [job for job in batch if not job.read]
        self._vision.prepare([job.request.image for job in unread if job.request.image])
        prompts = [(job, prompt) for job in unread if (prompt := self._prompt(job))]
        prefilled = self._decoder.prefill([prompt for _, prompt in prompts])
        return taken_up + [(job, one) for (job, _), one in zip(prompts, prefilled, strict=True)]

    def _prompt(self, job: _Job) -> Prompt | None:
        image = job.request.image
        try:
            vision = self._vision.get(image) if image else None
            return self._decoder.prompt(job.request, vision)
        except TallyError as error:
            _deliver([job], [error])
            return None


def _kind(request: GenerationRequest) -> tuple[str, float, int, int]:
    """Requests that are equal in this can be decoded together."""
    return (
        request.adapter_digest,
        request.temperature,
        request.max_new_tokens,
        request.num_completions,
    )


def _deliver_all(batch: list[_Job], error: BaseException) -> None:
    _deliver(batch, [error] * len(batch))


def _deliver(jobs: Sequence[_Job], results: Sequence[list[Completion] | BaseException]) -> None:
    """Called from the torch thread; wakes the event loop once."""

    def settle() -> None:
        for job, result in zip(jobs, results, strict=True):
            job.settle(result)

    if jobs:
        jobs[0].answer.get_loop().call_soon_threadsafe(settle)
