"""Batches of pictures: taken in, answered by the learner as its turn comes, kept until deleted."""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path

from gateway.access.callers import Caller
from gateway.batches.answers_table import answers_csv, read_answers
from gateway.batches.batch_archive import BatchPicture, read_pictures, write_batch, write_pictures
from gateway.batches.batch_models import BatchSettings, abstain_below
from gateway.errors import Conflict, Missing, Unprocessable
from gateway.evaluations.form_settings import (
    SETTING_TEXTS,
    form_checkpoint,
    form_settings,
    validate,
)
from gateway.evaluations.question import MOST_QUESTION_BYTES, check_question
from gateway.http.receiving import FormShape, IncomingForm, ReceivedForm, receive_form
from gateway.jobs.adapters import bring_adapter
from gateway.jobs.base_models import BaseModels
from gateway.jobs.job_lists import JobLists
from gateway.jobs.job_models import PREDICTION, Checkpoint, Job
from gateway.jobs.job_store import JobStore
from gateway.jobs.jobs import Jobs
from gateway.jobs.train_models import stored_request
from gateway.results.results import Results
from gateway.settings import GatewaySettings
from gateway.storage import Storage, keep
from gateway.times import now
from gateway.uploads.adapter_archive import unpack_adapter
from gateway.uploads.checking import Checker
from tally.job.prompt_template import PromptTemplate
from tally.job.settings import DEFAULT_PRIORITY, TrainingConfig
from tally.messages.message import Message
from tally.rpc.digests import digest_of_file
from tally.traces.spans import current_traceparent

_TEXTS = {
    "question": MOST_QUESTION_BYTES,
    "job_id": 200,
    "checkpoint": 20,
    "abstain_below": 40,
    **SETTING_TEXTS,
}
_LIMITS = ("max_image_size", "max_new_tokens")


class Batches:
    def __init__(
        self,
        *,
        settings: GatewaySettings,
        storage: Storage,
        store: JobStore,
        lists: JobLists,
        jobs: Jobs,
        models: BaseModels,
        results: Results,
        checker: Checker,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._store = store
        self._lists = lists
        self._jobs = jobs
        self._models = models
        self._results = results
        self._checker = checker

    async def take(self, incoming: IncomingForm, caller: Caller) -> Job:
        """Writes a batch down and submits it; raises ApiError, TallyError."""
        missing = Message("zip_part_missing", part="file")
        shape = FormShape("file", missing, self._settings.max_upload_bytes, _TEXTS)
        with self._storage.staging() as folder:
            form = await receive_form(incoming, folder, shape)
            settings, trained = await self._settings_of(form, caller)
            prediction_id = str(uuid.uuid4())
            dataset = await self._stage(form.path, settings.question, folder)
            adapter = await self._stage_adapter(trained, form_checkpoint(form.texts), folder)
            job = Job(
                job_id=prediction_id,
                job_name=settings.job_name,
                created_at=now(),
                spec={**settings.model_dump(), "priority": DEFAULT_PRIORITY},
                dataset_digest=dataset,
                owner=caller.owner,
                kind=PREDICTION,
                parent_job_id=trained.job_id if trained else None,
                adapter_digest=adapter,
                traceparent=current_traceparent(),
            )
            await asyncio.to_thread(self._keep, prediction_id, folder)
        try:
            await self._store.run(self._store.add, job)
        except Exception:
            self._storage.forget_batch(prediction_id)
            raise
        return await self._jobs.submit(job)

    async def _settings_of(
        self, form: ReceivedForm, caller: Caller
    ) -> tuple[BatchSettings, Job | None]:
        """What is asked, and the job whose adapter is."""
        given = form_settings(form.texts)
        question = check_question(form.texts.get("question", ""))
        job_id = form.texts.get("job_id") or None
        trained, config, prompt = None, TrainingConfig(), PromptTemplate()
        if job_id is not None:
            trained = await self._jobs.get_for(caller, job_id)
            request = stored_request(trained.spec)
            if given.get("model") not in (None, request.model):
                raise Unprocessable.at("model", Message("model_of_job"))
            given["model"], prompt = request.model, request.prompt
            config = request.training_config
        self._models.check(given.get("model"))
        limits = {name: given.get(name, getattr(config, name)) for name in _LIMITS}
        settings = {
            "job_name": form.filename.removesuffix(".zip")[:200] or form.filename,
            "question": question,
            "model": given.get("model"),
            "training_config": limits,
            "prompt": prompt,
        }
        if text := form.texts.get("abstain_below"):
            settings["abstain_below"] = text
        return validate(BatchSettings, settings), trained

    async def _stage(self, source: Path, question: str, folder: Path) -> str:
        """Leaves in `folder` what `_keep` takes from there → the digest of the dataset."""
        size_bytes = source.stat().st_size
        check = write_batch(source, question, folder / "dataset", self._settings)
        pictures = await self._checker.run(check, size_bytes)
        write_pictures(pictures, folder / "pictures")
        return await asyncio.to_thread(digest_of_file, folder / "dataset")

    async def _stage_adapter(
        self, trained: Job | None, checkpoint: Checkpoint, folder: Path
    ) -> str | None:
        """As `_stage`, of the adapter that answers."""
        if trained is None:
            return None
        result = await bring_adapter(self._results, trained, checkpoint)
        unpack = unpack_adapter(result, folder / "adapter", self._settings)
        return await self._checker.run(unpack, result.stat().st_size)

    def _keep(self, prediction_id: str, folder: Path) -> None:
        storage = self._storage
        places = {
            "dataset": storage.batch_path(prediction_id),
            "pictures": storage.batch_pictures_path(prediction_id),
            "adapter": storage.adapter_path(prediction_id),
        }
        for name, path in places.items():
            if (folder / name).exists():
                keep(folder / name, path)

    async def newest_first(self, owner: str | None, job_id: str | None) -> Sequence[Job]:
        """An owner's, or everybody's; where `job_id` is given, those of its adapter."""
        return await self._lists.run(self._lists.newest_first, PREDICTION, owner, job_id)

    async def get_for(self, caller: Caller, prediction_id: str) -> Job:
        """The caller's; raises Missing or Forbidden."""
        missing = Message("no_such_prediction")
        return await self._jobs.get_of_kind(
            caller, PREDICTION, prediction_id, field="prediction_id", missing=missing
        )

    async def csv(self, job: Job, below: float | None) -> str:
        """The table of its answers; raises Conflict where there are none yet."""
        path = await self._answers(job)
        try:
            return await asyncio.to_thread(self._table, job, path, below)
        except FileNotFoundError:
            raise Missing.at("prediction_id", Message("no_such_prediction")) from None

    async def _answers(self, job: Job) -> Path:
        if job.ended and job.result_digest is None:
            raise Conflict(Message("job_without_result", status=job.status))
        return await bring_adapter(self._results, job, "last")

    def _table(self, job: Job, path: Path, below: float | None) -> str:
        pictures: list[BatchPicture] = read_pictures(self._storage.batch_pictures_path(job.job_id))
        bound = abstain_below(job) if below is None else below
        return answers_csv(pictures, read_answers(path), job.spec["question"], bound)
