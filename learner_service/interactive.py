"""What the service answers while its caller waits: a question about an image, a preflight.

What answers them comes in when it is first wanted: tokenizers bring torch, 7 seconds and 400 MB
that a service which only runs jobs does not need.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from learner_service.blobs.blob_store import BlobStore
from learner_service.models import ModelList
from learner_service.prediction.question import ModelAnswer, Question
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training
from tally.job.metrics import StepMetrics

if TYPE_CHECKING:
    from learner_service.prediction.predictor import Predictor
    from learner_service.preflight.preflight import Preflight, Preflights

_AT_ONCE = 4


class Interactive:
    def __init__(self, settings: LearnerSettings, models: ModelList, blobs: BlobStore) -> None:
        self._settings = settings
        self._models = models
        self._blobs = blobs
        self._parts: tuple[Predictor, Preflights] | None = None
        self._lock = asyncio.Lock()
        # Each may hold a dataset's rows and an image of the largest size: so many of them, no more.
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, question: Question) -> list[ModelAnswer]:
        """As `Predictor.answer`."""
        predictor, _ = await self._load()
        async with self._room:
            return await predictor.answer(question)

    async def preflight(
        self, spec: JobSpec, training: Training, earlier_steps: Sequence[StepMetrics]
    ) -> "Preflight":
        """As `Preflights.run`."""
        _, preflights = await self._load()
        source = self._models.source(spec.base_model)
        async with self._room:
            return await preflights.run(spec, training, source, earlier_steps)

    async def _load(self) -> "tuple[Predictor, Preflights]":
        async with self._lock:
            if self._parts is None:
                self._parts = await asyncio.to_thread(self._import_and_build)
        return self._parts

    def _import_and_build(self) -> "tuple[Predictor, Preflights]":
        from learner_service.prediction.predictor import Predictor  # noqa: PLC0415 - see above
        from learner_service.preflight.preflight import Preflights  # noqa: PLC0415 - see above
        from learner_service.served_models import ServedModels  # noqa: PLC0415 - see above

        settings = self._settings
        models = ServedModels(settings, self._models)
        return (
            Predictor(models, self._blobs, settings.dataset),
            Preflights(models, self._blobs, settings),
        )
