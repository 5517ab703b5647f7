"""What the service itself asks of the replicas, brought in when it is first wanted.

Tokenizers come with torch: 7 seconds and 400 MB that a service which only runs jobs does not need.
"""

import asyncio
import importlib
from typing import TYPE_CHECKING

from learner_service.blob_store import BlobStore
from learner_service.models import ModelList
from learner_service.question import ModelAnswer, Question
from learner_service.settings import LearnerSettings

if TYPE_CHECKING:
    from learner_service.answering import Answering
    from learner_service.asking import Asking


class OnDemand:
    def __init__(self, settings: LearnerSettings, models: ModelList, blobs: BlobStore) -> None:
        self._settings = settings
        self._models = models
        self._blobs = blobs
        self._asking: Asking | None = None
        self._lock = asyncio.Lock()

    async def answer(self, question: Question) -> list[ModelAnswer]:
        """As `Answering.answer`."""
        module = await self._module("answering")
        answering: Answering = module.Answering(await self._opened(), self._blobs)
        return await answering.answer(question)

    async def _opened(self) -> "Asking":
        module = await self._module("asking")
        if self._asking is None:
            self._asking = module.Asking(self._settings, self._models)
        return self._asking

    async def _module(self, name: str):
        async with self._lock:
            return await asyncio.to_thread(importlib.import_module, f"learner_service.{name}")
