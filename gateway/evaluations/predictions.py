"""Try it: an image and a question to base and adapter."""

import asyncio

from pydantic import BaseModel, Field

from gateway.access.callers import Caller
from gateway.errors import Unprocessable
from gateway.evaluations.form_settings import SETTING_TEXTS, form_settings
from gateway.http.bodies import MAX_PREDICT_IMAGE_BYTES
from gateway.http.receiving import FormShape, IncomingForm, receive_form
from gateway.images.reading import clean_image
from gateway.images.stripped import BadImage
from gateway.jobs.jobs import Jobs
from gateway.learner_client import LearnerClient
from gateway.messages.message import Message
from gateway.settings import GatewaySettings
from gateway.storage import Storage
from gateway.uploads.checking import Check, Checker

_TEXTS = {"question": 16_000, "job_id": 200, **SETTING_TEXTS}
_MOST_QUESTION_CHARACTERS = 4_000


class PredictedAnswer(BaseModel):
    text: str = Field(description="What the model said.", examples=["A photo of 4 apples"])
    count: int | None = Field(description="The count in it; null where it holds none.")
    explanation: str | None = Field(description="Why it holds none; null otherwise.")


class Prediction(BaseModel):
    """Both answers side by side."""

    question: str = Field(description="What was asked.")
    job_id: str | None = Field(description="The job whose adapter answered; null for none.")
    base: PredictedAnswer = Field(description="The base model's answer.")
    adapter: PredictedAnswer | None = Field(description="The adapter's; null without a job_id.")


class Predictions:
    def __init__(
        self,
        settings: GatewaySettings,
        storage: Storage,
        jobs: Jobs,
        learner: LearnerClient,
        checker: Checker,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._jobs = jobs
        self._learner = learner
        self._checker = checker

    async def predict(self, incoming: IncomingForm, caller: Caller) -> Prediction:
        """Answers the form; raises ApiError or TallyError."""
        missing = Message("picture_part_missing", part="image")
        shape = FormShape("image", missing, MAX_PREDICT_IMAGE_BYTES, _TEXTS)
        with self._storage.staging() as folder:
            form = await receive_form(incoming, folder, shape)
            image = await asyncio.to_thread(form.path.read_bytes)
        settings = form_settings(form.texts)
        self._jobs.check_model(settings.get("model"))
        question = _question(form.texts.get("question", ""))
        job_id = form.texts.get("job_id") or None
        if job_id is not None:
            await self._jobs.get_for(caller, job_id)
        image = await self._checker.run(self._clean(image), len(image))
        answers = await self._learner.answer(image, question, job_id, settings)
        return Prediction(question=question, job_id=job_id, **answers)

    def _clean(self, image: bytes) -> Check[bytes]:
        yield
        try:
            return clean_image(image, self._settings).data
        except BadImage as problem:
            raise Unprocessable.at("image", problem.message) from None


def _question(text: str) -> str:
    text = text.strip()
    if not 0 < len(text) <= _MOST_QUESTION_CHARACTERS:
        message = Message("question_length", most=_MOST_QUESTION_CHARACTERS)
        raise Unprocessable.at("question", message)
    return text
