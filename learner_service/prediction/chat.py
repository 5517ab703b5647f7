"""What a model says next in a conversation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from learner_service.clients.rollouts import Prompt, Sampling
from learner_service.data.prompts import Prompter
from learner_service.prediction.conversation import Conversation, Reply
from learner_service.prediction.staged_image import ImageStage
from learner_service.served_models import ServedModels


class Chat:
    def __init__(self, models: ServedModels, images: ImageStage) -> None:
        self._models = models
        self._images = images

    async def reply(self, conversation: Conversation) -> Reply:
        """Raises InvalidArgument, UnknownModel, FailedPrecondition, RolloutsUnavailable."""
        served = await self._models.prompter(conversation.base_model)
        prompter = served.asking(conversation.prompt)
        rollouts = await self._models.rollouts(conversation.base_model)
        sampling = Sampling(
            num_completions=1,
            temperature=conversation.temperature,
            max_new_tokens=conversation.max_new_tokens,
        )
        async with self._prompt(prompter, conversation) as prompt:
            digest = conversation.adapter_digest
            ((completion,),) = await rollouts.generate([prompt], digest, sampling)
        return Reply(
            text=prompter.answer(completion),
            is_cut=completion.is_cut,
            prompt_tokens=len(prompt.token_ids),
            answer_tokens=len(completion.token_ids),
        )

    @asynccontextmanager
    async def _prompt(
        self, prompter: Prompter, conversation: Conversation
    ) -> AsyncIterator[Prompt]:
        """Good while the context is open, for the replicas fetch its image."""
        turns, seed = conversation.turns, conversation.seed
        if not conversation.image:
            yield Prompt(token_ids=prompter.chat_ids(turns), image_digest="", seed=seed)
            return
        size = conversation.max_image_size
        async with self._images.hold(conversation.image, prompter.grid, size) as image:
            ids = prompter.chat_ids(turns, (image.width, image.height))
            yield Prompt(token_ids=ids, image_digest=image.digest, seed=seed)
