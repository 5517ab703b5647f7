"""The adapters of ended jobs, the last one and the best one: where they lie, and as blobs."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from learner_service.blobs.blob_store import BlobStore
from learner_service.errors import NoAdapter, NotYet
from learner_service.job_folder.adapter_blob import write_adapter_blob
from learner_service.job_folder.checkpoints import step_of
from learner_service.job_folder.held_out_curve import HeldOutCurve
from learner_service.job_folder.layout import JobFolder
from learner_service.job_folder.output_files import pack_checkpoint
from learner_service.queue.job_store import Job
from learner_service.spec import Training
from tally.rpc.digests import digest_of_file


class Which(StrEnum):
    LAST = "last"
    BEST = "best"


@dataclass(frozen=True, kw_only=True)
class PackedAdapter:
    """The blob of a ZIP, and the optimizer steps behind the adapter in it."""

    digest: str
    step: int


class PackedAdapters:
    """`folder` gives a job's folder by its id; `is_busy`, whether it may have its worker still.

    What is packed is a blob that nobody has claimed: it goes with time, and is packed again when it
    is asked for again.
    """

    def __init__(
        self,
        blobs: BlobStore,
        folder: Callable[[str], JobFolder],
        is_busy: Callable[[str], bool],
    ) -> None:
        self._blobs = blobs
        self._folder = folder
        self._is_busy = is_busy

    def pack(self, job: Job, which: Which) -> PackedAdapter:
        """As a ZIP. Raises as `find`."""
        found = self.find(job, which)
        if found == self._folder(job.job_id).output:
            return PackedAdapter(digest=job.result_digest, step=job.current_step)
        return self._pack(job.job_id, found)

    def publish(self, job: Job, which: Which) -> str:
        """The digest of what replicas load. Raises as `find`."""
        found = self.find(job, which)
        with self._blobs.stage() as staged:
            write_adapter_blob(found, staged)
            digest = digest_of_file(staged)
            self._blobs.keep(staged, digest)
        return digest

    def find(self, job: Job, which: Which) -> Path:
        """The folder that the adapter lies in, as PEFT saves it. Raises NoAdapter, NotYet."""
        if not isinstance(job.spec.work, Training):
            raise NoAdapter("job_id: that job asks an adapter and trains none")
        if not job.status.ended:
            raise NoAdapter("job_id: the job has not ended; cancel it, or wait for it")
        output = self._folder(job.job_id).output
        if which is Which.LAST and job.result_digest:
            return output
        if self._is_busy(job.job_id):
            raise NotYet("job_id: the job's worker is still saving; try again")
        if which is Which.BEST and job.result_digest and self._best_step(job) == job.current_step:
            return output
        return self._find_checkpoint(job, which)

    def _best_step(self, job: Job) -> int | None:
        return HeldOutCurve.read(self._folder(job.job_id).history, job.current_step).best_step

    def _find_checkpoint(self, job: Job, which: Which) -> Path:
        folder = self._folder(job.job_id)
        last = folder.checkpoints.find_last().path
        if last is None and which is Which.LAST:
            raise NoAdapter("job_id: the job ended before its first checkpoint; it has no adapter")
        if which is Which.LAST and last:
            return last
        if not isinstance(job.spec.work, Training) or not job.spec.work.config.evaluation_steps:
            raise NoAdapter("checkpoint: the job did not evaluate while it trained; ask for last")
        best = folder.best_checkpoint(last) if last else None
        if best is None:
            raise NoAdapter("checkpoint: there is no whole checkpoint of a best step; ask for last")
        return best

    def _pack(self, job_id: str, checkpoint: Path) -> PackedAdapter:
        step, history = step_of(checkpoint), self._folder(job_id).history
        with self._blobs.stage() as staged:
            if not pack_checkpoint(checkpoint, step, history, staged):
                raise NoAdapter("job_id: an earlier version left its checkpoint; resume the job")
            digest = digest_of_file(staged)
            self._blobs.keep(staged, digest)
        return PackedAdapter(digest=digest, step=step)
