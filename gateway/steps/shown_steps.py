"""What the model said in the latest steps, as GET /jobs/{job_id}/samples answers it."""

from gateway.jobs.job_models import SAMPLES, Job
from gateway.jobs.job_store import JobStore, Payload
from gateway.steps.shown_models import ShownAnswers, ShownStep
from gateway.steps.step_log import StepLog
from gateway.steps.step_texts import fill
from tally.job.kept_answers import STEPS_KEPT


class ShownSteps:
    """Answers in JSON."""

    def __init__(self, store: JobStore) -> None:
        self._log = StepLog(store, SAMPLES, _write, changing=STEPS_KEPT)

    async def answer(self, job: Job, most: int) -> bytes:
        """The latest steps whose answers are kept, at most so many, the newest first."""
        texts = (await self._log.read(job)).by_step
        steps = [texts[step] for step in sorted(texts, reverse=True)[:most]]
        empty = ShownAnswers(job_id=job.job_id, file_id=job.data_file_id, steps=[])
        return fill(empty, steps)


def _write(said: Payload) -> bytes:
    return ShownStep(**said).model_dump_json().encode() if said["groups"] else b""
