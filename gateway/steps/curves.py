"""What the steps of a job measured, as GET /jobs/{job_id}/metrics answers it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from gateway.jobs.job_models import HELD_OUT, STEP, Job
from gateway.jobs.job_store import JobStore, Payload
from gateway.steps.metric_models import HeldOutScores, Metrics, StepMetrics
from gateway.steps.step_log import StepLog
from gateway.steps.step_texts import StepTexts, fill
from gateway.steps.thinning import thin
from tally.host.bounded_cache import BoundedCache

_STEP: TypeAdapter[Any] = TypeAdapter(StepMetrics)
_HELD_OUT: TypeAdapter[HeldOutScores] = TypeAdapter(HeldOutScores)
_MOST_KEPT_BYTES = 8 * 1024**2


class Curves:
    """Answers in JSON."""

    def __init__(self, store: JobStore) -> None:
        self._log = StepLog(store, STEP, _write)
        self._evaluations = StepLog(store, HELD_OUT, _write_scores)
        # By job, the last step's event, and how many points.
        self._thinned = BoundedCache[tuple[str, int, int], bytes](_MOST_KEPT_BYTES, len)

    async def answer(self, job: Job, max_points: int | None) -> bytes:
        """Every step, or at most `max_points` that stand for them."""
        texts = await self._log.read(job)
        steps = [texts.by_step[step] for step in sorted(texts.by_step)]
        if max_points is not None and len(steps) > max_points:
            steps = [await self._points(job.job_id, texts, steps, max_points)]
        evaluations = await self._read_evaluations(job)
        about = {"job_id": job.job_id, "last_seq": job.last_seq, "evaluations": evaluations}
        return fill(Metrics(**about, steps=[]), steps)

    async def _read_evaluations(self, job: Job) -> list[HeldOutScores]:
        """All of them: they are few. A log that can have none is not searched for them."""
        if not job.evaluates_held_out:
            return []
        by_step = (await self._evaluations.read(job)).by_step
        return [_HELD_OUT.validate_json(by_step[step]) for step in sorted(by_step)]

    async def _points(
        self, job_id: str, texts: StepTexts, steps: Sequence[bytes], max_points: int
    ) -> bytes:
        key = job_id, texts.settled_seq, max_points
        thinned = self._thinned.get(key)
        if thinned is None:
            thinned = self._thinned[key] = await asyncio.to_thread(_thin, steps, max_points)
        return thinned


def _thin(steps: Sequence[bytes], max_points: int) -> bytes:
    return b",".join(map(_write, thin([json.loads(step) for step in steps], max_points)))


def _write_scores(scored: Payload) -> bytes:
    return _HELD_OUT.dump_json(_HELD_OUT.validate_python(scored))


def _write(measured: Payload) -> bytes:
    return _STEP.dump_json(_STEP.validate_python(measured))
