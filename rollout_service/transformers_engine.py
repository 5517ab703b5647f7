"""The engine over transformers: one thread does the torch work, requests wait in line for it."""

import asyncio
import logging
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch

from rollout_service.adapters import ResidentAdapters
from rollout_service.decoding import Decoder, Prefilled
from rollout_service.engine import Completion, GenerationRequest, ModelDescription
from rollout_service.errors import EngineNotReady, OutOfMemory
from rollout_service.model_family import LoadedModel, describe, load_model, warm_up_request
from rollout_service.settings import RolloutSettings
from rollout_service.vision_features import VisionCache
from rpc.errors import TallyError

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class _Job:
    """A request in line. `abandoned`: nobody waits for the answer any more."""

    request: GenerationRequest
    answer: asyncio.Future[list[Completion]]
    abandoned: threading.Event = field(default_factory=threading.Event)

    def deliver(self, result: list[Completion] | BaseException) -> None:
        """Called from the torch thread."""
        self.answer.get_loop().call_soon_threadsafe(self._settle, result)

    def _settle(self, result: list[Completion] | BaseException) -> None:
        if self.answer.done():
            return
        if isinstance(result, BaseException):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)


class TransformersEngine:
    """First come, first served; those in line that sample alike are decoded together."""

    def __init__(self, settings: RolloutSettings) -> None:
        self._settings = settings
        self._torch_thread = ThreadPoolExecutor(1, thread_name_prefix="torch")
        self._line: deque[_Job] = deque()
        self._line_lock = threading.Lock()
        self._in_progress: list[_Job] = []
        self._sampler: _BatchSampler | None = None
        self._closed = False

    async def load(self) -> ModelDescription:
        loop = asyncio.get_running_loop()
        self._sampler = await loop.run_in_executor(self._torch_thread, _loaded, self._settings)
        await self.generate(warm_up_request(self._sampler.loaded))
        return self._sampler.description

    async def generate(self, request: GenerationRequest) -> list[Completion]:
        if self._closed or self._sampler is None:
            raise EngineNotReady("the engine is not running")
        job = _Job(request=request, answer=asyncio.get_running_loop().create_future())
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
            ending = [*self._line, *self._in_progress]
            self._line.clear()
        for job in ending:
            job.abandoned.set()
            job.deliver(EngineNotReady("the engine is closing"))
        await asyncio.to_thread(self._torch_thread.shutdown)
        self._sampler = None

    def _serve_next(self) -> None:
        """Runs in the torch thread, once per request; a batch leaves nothing for the later runs."""
        self._in_progress = batch = self._next_batch()
        if not batch or self._sampler is None:
            return
        try:
            self._sampler.serve(batch)
        except torch.OutOfMemoryError:
            _log.exception("out of memory with %d requests", len(batch))
            error = OutOfMemory("not enough memory for this request now; try again later")
            _deliver_all(batch, error)
        except Exception as error:
            _deliver_all(batch, error)
        finally:
            self._in_progress = []

    def _next_batch(self) -> list[_Job]:
        """The first in line, and those behind it that sample alike, as far as they fit."""
        with self._line_lock:
            waiting = [job for job in self._line if not job.abandoned.is_set()]
            batch: list[_Job] = []
            room = self._settings.max_batch_completions
            for job in waiting:
                fits = not batch or job.request.num_completions <= room
                if fits and _kind(job.request) == _kind(waiting[0].request):
                    batch.append(job)
                    room -= job.request.num_completions
            self._line = deque(job for job in waiting if job not in batch)
        return batch


class _BatchSampler:
    """The torch side of the engine, for its one thread."""

    def __init__(self, loaded: LoadedModel, settings: RolloutSettings) -> None:
        self.loaded = loaded
        self.description = describe(loaded, settings, engine="transformers")
        self._vision = VisionCache(loaded, settings.vision_cache_bytes)
        self._adapters = ResidentAdapters(
            loaded, settings.max_resident_adapters, settings.max_lora_rank
        )
        self._decoder = Decoder(loaded)

    def serve(self, batch: list[_Job]) -> None:
        """Answers every job of `batch`; a request that is at fault fails alone."""
        try:
            self._adapters.activate(batch[0].request.adapter)
        except TallyError as error:
            _deliver_all(batch, error)
            return
        with torch.inference_mode():
            ready = [(job, prefilled) for job in batch if (prefilled := self._prefilled(job))]
            if not ready:
                return
            jobs, prompts = zip(*ready, strict=True)
            answers = self._decoder.decode(prompts, [job.abandoned.is_set for job in jobs])
        for job, answer in zip(jobs, answers, strict=True):
            job.deliver(answer)

    def _prefilled(self, job: _Job) -> Prefilled | None:
        """None where nobody waits any more, or where the request was refused."""
        if job.abandoned.is_set():
            return None
        image = job.request.image
        try:
            vision = self._vision.get(image) if image else None
            return self._decoder.prefill(job.request, vision)
        except TallyError as error:
            job.deliver(error)
            return None


def _loaded(settings: RolloutSettings) -> _BatchSampler:
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    return _BatchSampler(load_model(settings), settings)


def _kind(request: GenerationRequest) -> tuple[str, float, int]:
    return request.adapter_digest, request.temperature, request.max_new_tokens


def _deliver_all(batch: list[_Job], error: BaseException) -> None:
    for job in batch:
        job.deliver(error)
