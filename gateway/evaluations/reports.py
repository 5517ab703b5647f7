"""What an evaluation found: the report that the learner wrote, a ZIP of three files."""

import asyncio
import json
import zipfile
from pathlib import Path

from gateway.errors import Conflict
from gateway.jobs.job_models import Job
from gateway.jobs.job_store import JobStore
from gateway.messages.message import Message
from gateway.results.report_models import Evaluation
from gateway.results.results import Results
from tally.rpc.errors import NotFound


class Reports:
    def __init__(self, store: JobStore, results: Results) -> None:
        self._store = store
        self._results = results

    async def evaluation(self, job: Job) -> Evaluation:
        """The last evaluation of the job; raises Conflict where there is none."""
        path = await self._path(job)
        text = await asyncio.to_thread(_entry, path, "evaluation.json")
        file_id = job.evaluation_file_id or job.data_file_id
        return Evaluation(**json.loads(text), file_id=file_id)

    async def file(self, job: Job, name: str) -> bytes:
        """`evaluation.csv` or `evaluation.html`; raises as `evaluation` does."""
        return await asyncio.to_thread(_entry, await self._path(job), name)

    async def _path(self, job: Job) -> Path:
        events = await self._store.run(self._store.events, job.job_id, 0, "evaluation", None)
        digest = events[-1].payload.get("report_digest") if events else None
        if digest is None:
            raise Conflict(Message("no_evaluation"))
        try:
            return await self._results.report(digest)
        except NotFound:
            raise Conflict(Message("report_lost")) from None


def _entry(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)
