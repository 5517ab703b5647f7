"""One question about one image, to the base model and to a job's adapter side by side."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from learner_service.blobs.blob_store import BlobStore
from learner_service.clients.rollouts import Prompt, Sampling
from learner_service.data.dataset import Row
from learner_service.data.images import decode, fit_to_grid, to_png
from learner_service.data.prompts import Prompter
from learner_service.prediction.question import ModelAnswer, Question
from learner_service.served_models import ServedModels
from learner_service.settings import DatasetSettings
from tally.families.grid import ImageGrid
from tally.rpc.errors import InvalidArgument


class Predictor:
    def __init__(self, models: ServedModels, blobs: BlobStore, limits: DatasetSettings) -> None:
        """`limits` are those of an image."""
        self._models = models
        self._blobs = blobs
        self._limits = limits

    async def answer(self, question: Question) -> list[ModelAnswer]:
        """The base model's answer and, where there is an adapter, the adapter's."""
        prompter = await self._models.prompter(question.base_model)
        async with self._stage(question, prompter.grid) as row:
            prompt = prompter.prompt(row, seed=0)
            digests = ["", question.adapter_digest] if question.adapter_digest else [""]
            sampling = Sampling(
                num_completions=1, temperature=0.0, max_new_tokens=question.max_new_tokens
            )
            asked = [self._ask(prompter, prompt, digest, sampling) for digest in digests]
            texts = await asyncio.gather(*asked)
        _, rewards = await self._models.clients()
        scores = await rewards.score(texts, [0] * len(texts))
        return [
            ModelAnswer(text=text, count=score.count, explanation=score.explanation)
            for text, score in zip(texts, scores, strict=True)
        ]

    async def _ask(
        self, prompter: Prompter, prompt: Prompt, digest: str, sampling: Sampling
    ) -> str:
        rollouts, _ = await self._models.clients()
        ((completion,),) = await rollouts.generate([prompt], digest, sampling)
        return prompter.answer(completion)

    @asynccontextmanager
    async def _stage(self, question: Question, grid: ImageGrid) -> AsyncIterator[Row]:
        """The image as a blob that is gone afterwards."""
        image = await asyncio.to_thread(_fit, question, grid, self._limits)
        digest = await asyncio.to_thread(self._blobs.put_bytes, _unique_png(image))
        try:
            yield Row(
                number=0,
                question=question.text,
                true_count=0,
                image_digest=digest,
                width=image.width,
                height=image.height,
            )
        finally:
            self._blobs.delete(digest)


def _fit(question: Question, grid: ImageGrid, limits: DatasetSettings) -> Image.Image:
    image = decode(question.image, "image", limits)
    try:
        return fit_to_grid(image, grid, question.max_image_size)
    except ValueError as error:
        raise InvalidArgument(f"image: {error}") from error


def _unique_png(image: Image.Image) -> bytes:
    """A job may have staged the same picture: only other bytes can be deleted without harm."""
    note = PngInfo()
    note.add_text("Comment", uuid.uuid4().hex)
    return to_png(image, note)
