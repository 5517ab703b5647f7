"""One question about one image, to the base model and to a job's adapter side by side."""

import asyncio

from learner_service.clients.rollouts import Prompt, Rollouts, Sampling
from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.prediction.question import ModelAnswer, Question
from learner_service.prediction.staged_image import ImageStage
from learner_service.served_models import ServedModels


class Predictor:
    def __init__(self, models: ServedModels, images: ImageStage) -> None:
        self._models = models
        self._images = images

    async def answer(self, question: Question) -> list[ModelAnswer]:
        """The base model's answer and, where there is an adapter, the adapter's."""
        served = await self._models.prompter(question.base_model)
        prompter = served.asking(question.prompt)
        size = question.max_image_size
        async with self._images.hold(question.image, prompter.grid, size) as image:
            row = Row(
                number=0,
                question=question.text,
                true_count=0,
                image_digest=image.digest,
                width=image.width,
                height=image.height,
            )
            prompt = prompter.prompt(row, seed=0)
            digests = ["", question.adapter_digest] if question.adapter_digest else [""]
            sampling = Sampling.greedy(question.max_new_tokens)
            rollouts = await self._models.rollouts(question.base_model)
            asked = [_ask(rollouts, prompter, prompt, digest, sampling) for digest in digests]
            texts = await asyncio.gather(*asked)
        rewards = await self._models.rewards()
        scores = await rewards.score(texts, [0] * len(texts))
        return [
            ModelAnswer(text=text, count=score.count, explanation=score.explanation)
            for text, score in zip(texts, scores, strict=True)
        ]


async def _ask(
    rollouts: Rollouts, prompter: Prompter, prompt: Prompt, digest: str, sampling: Sampling
) -> str:
    ((completion,),) = await rollouts.generate([prompt], digest, sampling)
    return prompter.answer(completion)
