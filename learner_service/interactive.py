"""What the service answers while its caller waits: a question, a conversation, a preflight.

What answers them comes in when it is first wanted: tokenizers bring torch, 7 seconds and 400 MB
that a service which only runs jobs does not need.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from learner_service.blobs.blob_store import BlobStore
from learner_service.models import ModelList
from learner_service.own_engine import OwnEngine
from learner_service.prediction.conversation import Conversation, Reply
from learner_service.prediction.question import ModelAnswer, Question
from learner_service.settings import LearnerSettings
from learner_service.spec import JobSpec, Training
from tally.job.metrics import StepMetrics

if TYPE_CHECKING:
    from learner_service.prediction.chat import Chat
    from learner_service.prediction.predictor import Predictor
    from learner_service.preflight.preflight import Preflight, Preflights

_AT_ONCE = 4


class _Parts(NamedTuple):
    predictor: "Predictor"
    chat: "Chat"
    preflights: "Preflights"


class Interactive:
    def __init__(
        self,
        settings: LearnerSettings,
        models: ModelList,
        blobs: BlobStore,
        own_engine: OwnEngine | None = None,
    ) -> None:
        """`own_engine` answers where there is no rollout service."""
        self._settings = settings
        self._models = models
        self._blobs = blobs
        self._own_engine = own_engine
        self._parts: _Parts | None = None
        self._lock = asyncio.Lock()
        # Each may hold a dataset's rows and an image of the largest size: so many of them, no more.
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, question: Question) -> list[ModelAnswer]:
        """As `Predictor.answer`."""
        parts = await self._load()
        async with self._room:
            return await parts.predictor.answer(question)

    async def reply(self, conversation: Conversation) -> Reply:
        """As `Chat.reply`."""
        parts = await self._load()
        async with self._room:
            return await parts.chat.reply(conversation)

    async def preflight(
        self, spec: JobSpec, training: Training, earlier_steps: Sequence[StepMetrics]
    ) -> "Preflight":
        """As `Preflights.run`."""
        parts = await self._load()
        source = self._models.source(spec.base_model)
        async with self._room:
            return await parts.preflights.run(spec, training, source, earlier_steps)

    async def _load(self) -> _Parts:
        async with self._lock:
            if self._parts is None:
                self._parts = await asyncio.to_thread(self._import_and_build)
        return self._parts

    def _import_and_build(self) -> _Parts:
        from learner_service.prediction.chat import Chat  # noqa: PLC0415 - see above
        from learner_service.prediction.predictor import Predictor  # noqa: PLC0415 - see above
        from learner_service.prediction.staged_image import ImageStage  # noqa: PLC0415 - see above
        from learner_service.preflight.preflight import Preflights  # noqa: PLC0415 - see above
        from learner_service.served_models import ServedModels  # noqa: PLC0415 - see above

        settings = self._settings
        models = ServedModels(settings, self._models, self._own_engine)
        images = ImageStage(self._blobs, settings.dataset)
        return _Parts(
            Predictor(models, images),
            Chat(models, images),
            Preflights(models, self._blobs, settings),
        )
