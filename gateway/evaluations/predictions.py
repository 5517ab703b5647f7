"""Try it: an image and a question to base and adapter."""

import asyncio

from pydantic import BaseModel, Field

from gateway.access.callers import Caller
from gateway.evaluations.form_settings import SETTING_TEXTS, form_checkpoint, form_settings
from gateway.evaluations.question import MOST_QUESTION_BYTES, check_question
from gateway.http.bodies import MAX_PICTURE_BYTES
from gateway.http.receiving import FormShape, IncomingForm, receive_form
from gateway.jobs.base_models import BaseModels
from gateway.jobs.jobs import Jobs
from gateway.learner_client import LearnerClient
from gateway.storage import Storage
from gateway.uploads.asked_pictures import AskedPictures
from tally.messages.message import Message

_TEXTS = {"question": MOST_QUESTION_BYTES, "job_id": 200, "checkpoint": 20, **SETTING_TEXTS}


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
        storage: Storage,
        jobs: Jobs,
        models: BaseModels,
        learner: LearnerClient,
        pictures: AskedPictures,
    ) -> None:
        self._storage = storage
        self._jobs = jobs
        self._models = models
        self._learner = learner
        self._pictures = pictures

    async def predict(self, incoming: IncomingForm, caller: Caller) -> Prediction:
        """Answers the form; raises ApiError or TallyError."""
        missing = Message("picture_part_missing", part="image")
        shape = FormShape("image", missing, MAX_PICTURE_BYTES, _TEXTS)
        with self._storage.staging() as folder:
            form = await receive_form(incoming, folder, shape)
            image = await asyncio.to_thread(form.path.read_bytes)
        settings = form_settings(form.texts)
        self._models.check(settings.get("model"))
        question = check_question(form.texts.get("question", ""))
        checkpoint = form_checkpoint(form.texts)
        job_id = form.texts.get("job_id") or None
        if job_id is not None:
            await self._jobs.get_for(caller, job_id)
        image = await self._pictures.clean(image, "image")
        answers = await self._learner.answer(image, question, job_id, settings, checkpoint)
        return Prediction(question=question, job_id=job_id, **answers)
