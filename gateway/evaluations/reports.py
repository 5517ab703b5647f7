"""What an evaluation found: the report that the learner wrote, a ZIP."""

import asyncio
import json
import zipfile
from contextlib import suppress
from pathlib import Path

from gateway.errors import Conflict, Missing
from gateway.jobs.job_models import Job
from gateway.jobs.job_store import JobStore
from gateway.results.report_models import Evaluation
from gateway.results.results import Results
from tally.host.bounded_cache import BoundedCache
from tally.messages.languages import Language
from tally.messages.message import Message
from tally.rpc.errors import NotFound

_MOST_KEPT_DIGESTS = 1_000
_MOST_KEPT_BYTES = 16 * 1024**2
_MOST_KEPT_EVALUATIONS = 32


class Reports:
    """Keeps what was asked for lately: a report never changes."""

    def __init__(self, store: JobStore, results: Results) -> None:
        self._store = store
        self._results = results
        self._digests = BoundedCache[tuple[str, int], str](_MOST_KEPT_DIGESTS)  # by job, last event
        self._evaluations = BoundedCache[tuple[str, str], Evaluation](_MOST_KEPT_EVALUATIONS)
        self._files = BoundedCache[tuple[str, str], bytes](_MOST_KEPT_BYTES, len)

    async def evaluation(self, job: Job) -> Evaluation:
        """The last evaluation of the job; raises Conflict where there is none."""
        key = await self._digest(job), job.evaluation_file_id or job.data_file_id
        evaluation = self._evaluations.get(key)
        if evaluation is None:
            text = await self.file(job, "evaluation.json")
            evaluation = Evaluation(**json.loads(text), file_id=key[1])
            self._evaluations[key] = evaluation
        return evaluation

    async def file(self, job: Job, name: str) -> bytes:
        """Such as `evaluation.csv`; raises as `evaluation` does, and KeyError for no such file."""
        digest = await self._digest(job)
        data = self._files.get((digest, name))
        if data is None:
            data = await asyncio.to_thread(_entry, await self._fetch(digest), name)
            self._files[digest, name] = data
        return data

    async def page(self, job: Job, language: Language) -> tuple[bytes, Language]:
        """In `language`, or in English, as earlier versions wrote it alone; and in which it is.
        Raises as `evaluation` does."""
        if language is not Language.ENGLISH:
            with suppress(KeyError):
                return await self.file(job, f"evaluation.{language}.html"), language
        return await self.file(job, "evaluation.html"), Language.ENGLISH

    async def _digest(self, job: Job) -> str:
        digest = self._digests.get((job.job_id, job.last_seq))
        if digest is None:
            event = await self._store.run(self._store.newest_event, job.job_id, "evaluation")
            digest = event.payload.get("report_digest") if event else None
            if digest is None:
                raise Conflict(Message("no_evaluation"))
            self._digests[job.job_id, job.last_seq] = digest
        return digest

    async def _fetch(self, digest: str) -> Path:
        try:
            return await self._results.report(digest)
        except NotFound:
            raise Conflict(Message("report_lost")) from None


def _entry(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    except FileNotFoundError:
        raise Missing.at("job_id", Message("no_such_job")) from None
