"""The base models as the replicas serve them, for what the service asks itself.

Tokenizers and clients are opened when they are needed. No weights are loaded: the service's own
process stays light.
"""

import asyncio

from learner_service.clients.clients import open_clients
from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import RolloutClient, RolloutModel
from learner_service.data.prompts import Prompter
from learner_service.events import Event
from learner_service.models import ModelList
from learner_service.phases import Phases
from learner_service.settings import LearnerSettings

_WAIT_SECONDS = 10.0


def _ignore(event: Event) -> None:
    """Nobody is told of what happens outside of a job."""


class ServedModels:
    """One for the service; its calls give up early, since a person waits for them."""

    def __init__(self, settings: LearnerSettings, models: ModelList) -> None:
        self._settings = settings.model_copy(update={"rollout_wait_seconds": _WAIT_SECONDS})
        self._models = models
        self._prompters: dict[str, Prompter] = {}
        self._clients: tuple[RolloutClient, RewardClient] | None = None
        self._lock = asyncio.Lock()

    async def clients(self) -> tuple[RolloutClient, RewardClient]:
        if self._clients is None:
            self._clients = await open_clients(self._settings, _ignore, Phases(_ignore))
        return self._clients

    async def prompter(self, base_model: str) -> Prompter:
        """What makes prompts for a model that the replicas serve.

        Raises UnknownModel, FailedPrecondition where they serve another, RolloutsUnavailable.
        """
        prompter = await self.load_prompter(base_model)
        await self.check_served(prompter, base_model)
        return prompter

    async def load_prompter(self, base_model: str) -> Prompter:
        """Raises UnknownModel."""
        source = self._models.source(base_model)
        async with self._lock:
            if base_model not in self._prompters:
                self._prompters[base_model] = await asyncio.to_thread(Prompter.of_model, source)
        return self._prompters[base_model]

    async def check_served(self, prompter: Prompter, base_model: str) -> RolloutModel:
        """What the replicas serve.

        Raises FailedPrecondition where that is another model, RolloutsUnavailable.
        """
        rollouts, _ = await self.clients()
        served = await rollouts.model()
        await asyncio.to_thread(prompter.agree_on_tokens, served, base_model)
        return served
