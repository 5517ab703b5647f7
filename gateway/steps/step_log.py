"""The texts of the jobs that were asked for lately."""

from collections.abc import Callable
from functools import partial

from gateway.events.shared_reads import SharedReads
from gateway.jobs.job_models import Job
from gateway.jobs.job_store import JobStore, Payload
from gateway.steps.step_texts import StepText, StepTexts
from tally.host.bounded_cache import BoundedCache

_MOST_KEPT_BYTES = 32 * 1024**2


class StepLog:
    """Reads of a job's log only what has come since it was asked for last."""

    def __init__(
        self, store: JobStore, kind: str, write: Callable[[Payload], bytes], changing: int = 0
    ) -> None:
        """Of the events of `kind`, which `write` makes into JSON; `changing` as in StepTexts."""
        self._store = store
        self._kind = kind
        self._write = write
        self._changing = changing
        self._reads: SharedReads[StepTexts] = SharedReads()
        self._kept = BoundedCache[str, StepTexts](_MOST_KEPT_BYTES, lambda one: one.size_bytes)

    async def read(self, job: Job) -> StepTexts:
        """Everything up to the last event of `job`, and maybe beyond."""
        texts = self._kept.get(job.job_id, StepTexts())
        if texts.last_seq < job.last_seq:
            self._kept[job.job_id] = texts = await self._reads.read(
                (job.job_id, job.last_seq), partial(self._store.run, self._go_on, job, texts)
            )
        return texts

    def _go_on(self, job: Job, texts: StepTexts) -> StepTexts:
        found = self._store.payloads(job.job_id, self._kind, texts.settled_seq)
        events = [StepText(seq, said["step"], self._write(said)) for seq, said in found]
        return texts.go_on(job.last_seq, events, self._changing)
