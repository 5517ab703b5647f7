"""Evaluations that are asked for after training, or of adapters that come as a ZIP."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.access.callers import Caller
from gateway.errors import ApiError, Unprocessable
from gateway.evaluations.form_settings import SETTING_TEXTS, form_settings, validate
from gateway.http.receiving import FormShape, IncomingForm, receive_form
from gateway.jobs.job_lists import JobLists
from gateway.jobs.job_models import EVALUATION, Job
from gateway.jobs.job_store import JobStore
from gateway.jobs.jobs import Jobs
from gateway.jobs.train_models import TrainRequest, stored_request
from gateway.settings import GatewaySettings
from gateway.storage import Storage, keep
from gateway.times import now
from gateway.uploads.adapter_archive import read_prompt, unpack_adapter
from gateway.uploads.archive import Archive
from gateway.uploads.checking import Check, Checker
from gateway.uploads.file_models import DATA
from gateway.uploads.file_store import FileStore
from tally.job.prompt_template import PromptTemplate
from tally.job.settings import DEFAULT_PRIORITY, TrainingConfig
from tally.messages.message import Message
from tally.traces.spans import current_traceparent

_TEXTS = {"file_id": 200, **SETTING_TEXTS}
# What a job that trains has and a comparison of its adapter has not.
_NOT_OF_COMPARISONS: dict[str, Any] = {
    "evaluation_file_id": None,
    "evaluation_share": 0.0,
    "priority": DEFAULT_PRIORITY,
    "callback_url": None,
    "adapter_job_id": None,
    "adapter_checkpoint": "last",
    "adapter_file_id": None,
}


class Evaluations:
    def __init__(
        self,
        *,
        settings: GatewaySettings,
        storage: Storage,
        files: FileStore,
        store: JobStore,
        lists: JobLists,
        jobs: Jobs,
        checker: Checker,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._files = files
        self._store = store
        self._lists = lists
        self._jobs = jobs
        self._checker = checker

    async def evaluate_job(self, job: Job, file_id: str, result: Path, caller: Caller) -> Job:
        """Compares the adapter in the job's result on another upload."""
        request = stored_request(job.spec).model_copy(update={"data_file_id": file_id})
        return await self._create(request, result, caller, parent_job_id=job.job_id)

    async def evaluate_upload(self, incoming: IncomingForm, caller: Caller) -> Job:
        """Compares the adapter that the form uploads; raises ApiError."""
        missing = Message("zip_part_missing", part="adapter")
        shape = FormShape("adapter", missing, self._settings.max_upload_bytes, _TEXTS)
        with self._storage.staging() as folder:
            form = await receive_form(incoming, folder, shape)
            if "file_id" not in form.texts:
                raise Unprocessable.at("file_id", Message("file_id_missing"))
            name = (form.filename.removesuffix(".zip") or form.filename)[:200]
            request = _request(name, form.texts)
            await self._jobs.choices.check(request)  # before the ZIP is opened
            check = self._read_prompt(form.path)
            prompt = await self._checker.run(check, form.path.stat().st_size)
            request = request.model_copy(update={"prompt": prompt})
            return await self._create(request, form.path, caller, parent_job_id=None)

    async def _create(
        self, request: TrainRequest, source: Path, caller: Caller, parent_job_id: str | None
    ) -> Job:
        request = request.model_copy(update=_NOT_OF_COMPARISONS)
        await self._jobs.choices.check(request)
        find = self._files.get_for
        file = await self._files.run(find, caller, request.data_file_id, "file_id", DATA)
        evaluation_id = str(uuid.uuid4())
        check = self._keep_adapter(source, evaluation_id)
        adapter_digest = await self._checker.run(check, source.stat().st_size)
        job = Job(
            job_id=evaluation_id,
            job_name=request.job_name,
            created_at=now(),
            spec=request.settings(),
            dataset_digest=file.dataset_digest,
            owner=caller.owner,
            kind=EVALUATION,
            parent_job_id=parent_job_id,
            adapter_digest=adapter_digest,
            traceparent=current_traceparent(),
        )
        try:
            await self._store.run(self._store.add, job)
        except ApiError:
            self._storage.adapter_path(evaluation_id).unlink(missing_ok=True)
            raise
        return await self._jobs.submit(job)

    def _read_prompt(self, source: Path) -> Check[PromptTemplate]:
        yield
        return read_prompt(Archive(source, self._settings))

    def _keep_adapter(self, source: Path, evaluation_id: str) -> Check[str]:
        """Its digest, once its weights lie where the evaluation looks for them."""
        with self._storage.staging() as folder:
            digest = yield from unpack_adapter(source, folder / "adapter", self._settings)
            keep(folder / "adapter", self._storage.adapter_path(evaluation_id))
        return digest

    async def newest_first(self, owner: str | None, job_id: str | None) -> Sequence[Job]:
        """An owner's, or everybody's; where `job_id` is given, those of its adapter."""
        return await self._lists.run(self._lists.newest_first, EVALUATION, owner, job_id)

    async def get_for(self, caller: Caller, evaluation_id: str) -> Job:
        """The caller's; raises Forbidden, or Missing, for a job that trains too."""
        missing = Message("no_such_evaluation")
        return await self._jobs.get_of_kind(
            caller, EVALUATION, evaluation_id, field="evaluation_id", missing=missing
        )


def _request(name: str, texts: dict[str, str]) -> TrainRequest:
    """The settings of a form as those of a job; raises Unprocessable that names a field."""
    given = form_settings(texts)
    request = {
        "job_name": name,
        "data_file_id": texts["file_id"],
        "model": given.pop("model", None),
    }
    return validate(TrainRequest, {**request, "training_config": TrainingConfig(**given)})
