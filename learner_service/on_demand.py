"""What the service itself asks of the replicas, brought in when it is first wanted.

Tokenizers come with torch: 7 seconds and 400 MB that a service which only runs jobs does not need.
"""

import asyncio
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from learner_service.blobs.blob_store import BlobStore
from learner_service.models import ModelList
from learner_service.prediction.question import ModelAnswer, Question
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training
from tally.job.metrics import StepMetrics

if TYPE_CHECKING:
    from learner_service.asking import Asking
    from learner_service.prediction.answering import Answering
    from learner_service.preflight.preflight import Preflight


class OnDemand:
    def __init__(self, settings: LearnerSettings, models: ModelList, blobs: BlobStore) -> None:
        self._settings = settings
        self._models = models
        self._blobs = blobs
        self._asking: Asking | None = None
        self._lock = asyncio.Lock()

    async def answer(self, question: Question) -> list[ModelAnswer]:
        """As `Answering.answer`."""
        module = await self._module("prediction.answering")
        answering: Answering = module.Answering(await self._opened(), self._blobs)
        return await answering.answer(question)

    async def preflight(
        self, spec: JobSpec, training: Training, earlier_steps: Sequence[StepMetrics]
    ) -> "Preflight":
        """As `Preflights.run`."""
        module = await self._module("preflight.preflight")
        asking = await self._opened()
        settings = self._settings
        preflights = module.Preflights(asking, self._blobs, settings.device, settings.dtype)
        result: Preflight = await preflights.run(
            spec, training, self._models.source(spec.base_model), earlier_steps
        )
        return result

    async def _opened(self) -> "Asking":
        module = await self._module("asking")
        if self._asking is None:
            self._asking = module.Asking(self._settings, self._models)
        return self._asking

    async def _module(self, name: str):
        path = f"learner_service.{name}"
        async with self._lock:
            return await asyncio.to_thread(importlib.import_module, path)
