"""Adapters that training begins with: an earlier job's, or one that was uploaded."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from gateway.access.callers import Caller
from gateway.errors import Conflict, Missing, Unprocessable
from gateway.ids import is_uuid
from gateway.jobs.adapters import bring_adapter
from gateway.jobs.job_models import TRAINING, Job
from gateway.jobs.job_store import JobStore
from gateway.jobs.train_models import TrainRequest, stored_request
from gateway.results.results import Results
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from gateway.uploads.adapter_archive import read_config, unpack_adapter
from gateway.uploads.checking import Checker
from gateway.uploads.file_models import ADAPTER
from gateway.uploads.file_store import FileStore
from tally.host.whole_file import link_or_copy, sync
from tally.job.prompt_template import PromptTemplate
from tally.job.settings import LoraConfig
from tally.messages.message import Message
from tally.messages.service_errors import quote_service
from tally.rpc.errors import FailedPrecondition

_OF_ADAPTER = ("r", "lora_alpha")


class StartingAdapter(NamedTuple):
    """An adapter blob; `model` is the base model that it must stay with, None for any; `prompt`,
    how it learnt to be asked."""

    path: Path
    digest: str
    model: str | None
    prompt: PromptTemplate

    def place(self, path: Path) -> None:
        """Lets it lie at `path`, too."""
        link_or_copy(self.path, path)
        sync(path.parent)


class StartingAdapters:
    def __init__(
        self,
        *,
        settings: GatewaySettings,
        storage: Storage,
        files: FileStore,
        store: JobStore,
        results: Results,
        checker: Checker,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._files = files
        self._store = store
        self._results = results
        self._checker = checker

    @asynccontextmanager
    async def open(
        self, request: TrainRequest, caller: Caller, default_model: Callable[[], Awaitable[str]]
    ) -> AsyncIterator[StartingAdapter | None]:
        """The one that the request names, while the context is open; None where it names none.

        Raises Missing, Forbidden, Conflict for a job without an adapter, Unprocessable.
        """
        if request.adapter_file_id:
            yield await self._find_upload(request.adapter_file_id, caller)
        elif request.adapter_job_id:
            job = await self._find_job(request.adapter_job_id, caller)
            with self._storage.staging() as folder:
                archive, path = await self._bring(job, request), folder / "adapter"
                check = unpack_adapter(archive, path, self._settings)
                digest = await self._checker.run(check, archive.stat().st_size)
                trained = stored_request(job.spec)
                model = trained.model or await default_model()
                yield StartingAdapter(path, digest, model, trained.prompt)
        else:
            yield None

    async def _find_upload(self, file_id: str, caller: Caller) -> StartingAdapter:
        find = self._files.get_for
        file = await self._files.run(find, caller, file_id, "adapter_file_id", ADAPTER)
        path = self._storage.dataset_path(file.dataset_digest)
        prompt = PromptTemplate.model_validate(file.prompt or {})
        return StartingAdapter(path, file.dataset_digest, None, prompt)

    async def _find_job(self, job_id: str, caller: Caller) -> Job:
        job = await self._store.run(self._store.get, job_id) if is_uuid(job_id) else None
        if job is None or job.kind != TRAINING:
            raise Missing.at("adapter_job_id", Message("no_such_job"))
        caller.check_is_own(job.owner, "adapter_job_id")
        if not job.ended:
            raise Conflict.at("adapter_job_id", Message("job_unfinished"))
        return job

    async def _bring(self, job: Job, request: TrainRequest) -> Path:
        """The ZIP of the job's adapter."""
        try:
            return await bring_adapter(self._results, job, request.adapter_checkpoint)
        except FailedPrecondition as error:
            raise Conflict.at("adapter_job_id", quote_service(error)) from error


def begin_with(request: TrainRequest, adapter: StartingAdapter | None) -> TrainRequest:
    """With the adapter's base model, rank and scale, and asked as it was unless the request says
    otherwise; raises Unprocessable where that names another base model, rank or scale."""
    if adapter is None:
        return request
    lora = _lora_of(adapter)
    if adapter.model and request.model not in (None, adapter.model):
        raise Unprocessable.at("model", Message("adapter_of_model", model=adapter.model))
    for name in _OF_ADAPTER:
        own, asked = getattr(lora, name), getattr(request.lora_config, name)
        if name in request.lora_config.model_fields_set and asked != own:
            raise Unprocessable.at(
                f"lora_config.{name}", Message("adapter_has_another", asked=asked, own=own)
            )
    changes = {name: getattr(lora, name) for name in _OF_ADAPTER}
    return request.model_copy(
        update={
            "model": request.model or adapter.model,
            "lora_config": request.lora_config.model_copy(update=changes),
            "prompt": request.prompt if "prompt" in request.model_fields_set else adapter.prompt,
        }
    )


def _lora_of(adapter: StartingAdapter) -> LoraConfig:
    config = read_config(adapter.path)
    try:
        return LoraConfig.model_validate({name: config.get(name) for name in _OF_ADAPTER})
    except ValidationError as error:
        raise Unprocessable.at("adapter_config.json", Message("adapter_out_of_range")) from error
