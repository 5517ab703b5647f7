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
from gateway.steps.step_texts import fill
from gateway.steps.thinning import group_neighbours, mean
from tally.host.bounded_cache import BoundedCache

_STEP: TypeAdapter[Any] = TypeAdapter(StepMetrics)
_HELD_OUT: TypeAdapter[HeldOutScores] = TypeAdapter(HeldOutScores)
_MOST_KEPT_BYTES = 8 * 1024**2


class Curves:
    """Answers in JSON."""

    def __init__(self, store: JobStore) -> None:
        self._log = StepLog(store, STEP, _write)
        self._evaluations = StepLog(store, HELD_OUT, _write_scores)
        # By the steps that a point stands for.
        self._means = BoundedCache[tuple[bytes, ...], bytes](_MOST_KEPT_BYTES, len)

    async def answer(self, job: Job, max_points: int | None) -> bytes:
        """Every step, or at most `max_points` that stand for them."""
        texts = await self._log.read(job)
        steps = [texts.by_step[step] for step in sorted(texts.by_step)]
        if max_points is not None and len(steps) > max_points:
            steps = await self._points(steps, max_points)
        evaluations = await self._read_evaluations(job)
        about = {"job_id": job.job_id, "last_seq": job.last_seq, "evaluations": evaluations}
        return fill(Metrics(**about, steps=[]), steps)

    async def _read_evaluations(self, job: Job) -> list[HeldOutScores]:
        """All of them: they are few. A log that can have none is not searched for them."""
        if not job.evaluates_held_out:
            return []
        by_step = (await self._evaluations.read(job)).by_step
        return [_HELD_OUT.validate_json(by_step[step]) for step in sorted(by_step)]

    async def _points(self, steps: Sequence[bytes], max_points: int) -> list[bytes]:
        """Of a job that goes on only the last points are new."""
        groups = list(group_neighbours(steps, max_points))
        means = {group: self._means[group] for group in groups if group in self._means}
        missing = [group for group in groups if group not in means]
        made = await asyncio.to_thread(_mean_all, missing)
        means.update(zip(missing, made, strict=True))
        self._means.update(zip(missing, made, strict=True))
        return [means[group] for group in groups]


def _mean_all(groups: Sequence[Sequence[bytes]]) -> list[bytes]:
    return [_write(mean([json.loads(step) for step in group])) for group in groups]


def _write_scores(scored: Payload) -> bytes:
    return _HELD_OUT.dump_json(_HELD_OUT.validate_python(scored))


def _write(measured: Payload) -> bytes:
    return _STEP.dump_json(_STEP.validate_python(measured))
