"""The base models as they are sampled from, for what the service asks itself.

Tokenizers and clients are opened when they are needed. No weights are loaded: the service's own
process stays light.
"""

import asyncio

from learner_service.clients.clients import open_rewards, open_rollouts
from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import RolloutClient, RolloutModel
from learner_service.data.prompts import Prompter
from learner_service.events import Event
from learner_service.models import ModelList
from learner_service.own_engine import OwnEngine
from learner_service.phases import Phases
from learner_service.settings import LearnerSettings

_WAIT_SECONDS = 10.0


def _ignore(event: Event) -> None:
    """Nobody is told of what happens outside of a job."""


class ServedModels:
    """One for the service; its calls give up early, since a person waits for them.

    Those who answer are the replicas, or `own_engine` where there is one.
    """

    def __init__(
        self, settings: LearnerSettings, models: ModelList, own_engine: OwnEngine | None = None
    ) -> None:
        self._settings = settings.model_copy(update={"rollout_wait_seconds": _WAIT_SECONDS})
        self._models = models
        self._own_engine = own_engine
        self._prompters: dict[str, Prompter] = {}
        self._rollouts: dict[str, RolloutClient] = {}  # by target, the newest alone
        self._rewards: RewardClient | None = None
        self._lock = asyncio.Lock()

    async def rollouts(self, base_model: str) -> RolloutClient:
        """Raises UnknownModel, RolloutsUnavailable where the learner's own engine can't answer."""
        replicas = self._settings.rollout
        if self._own_engine:
            target = await self._own_engine.target(base_model)
            replicas = replicas.model_copy(update={"target": target})
        if replicas.target not in self._rollouts:
            opened = await open_rollouts(self._settings, replicas, Phases(_ignore))
            self._rollouts = {replicas.target: opened}
        return self._rollouts[replicas.target]

    async def rewards(self) -> RewardClient:
        if self._rewards is None:
            self._rewards = await open_rewards(self._settings, _ignore)
        return self._rewards

    async def prompter(self, base_model: str) -> Prompter:
        """What makes prompts for a model that is served.

        Raises UnknownModel, FailedPrecondition where another is served, RolloutsUnavailable.
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
        """What is served.

        Raises FailedPrecondition where that is another model, RolloutsUnavailable.
        """
        rollouts = await self.rollouts(base_model)
        served = await rollouts.model()
        await asyncio.to_thread(prompter.agree_on_tokens, served, base_model)
        return served
