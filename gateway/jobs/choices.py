"""What a request may choose: its model, its rewards, where its job's end is told."""

from gateway.errors import Unprocessable
from gateway.jobs.base_models import BaseModels
from gateway.jobs.reward_models import Reward
from gateway.jobs.train_models import TrainRequest
from gateway.reward_client import RewardClient
from gateway.settings import GatewaySettings
from gateway.webhooks.callbacks import check_callback
from tally.messages.message import Message
from tally.rpc.errors import TallyError


class Choices:
    def __init__(self, settings: GatewaySettings, models: BaseModels, reward: RewardClient) -> None:
        self._settings = settings
        self._models = models
        self._reward = reward

    async def check(self, request: TrainRequest) -> None:
        """Raises Unprocessable for a model or a reward that there is not, or a callback_url that
        nothing is sent to."""
        self._models.check(request.model)
        check_callback(request.callback_url, self._settings)
        names = [reward.name for reward in request.rewards]
        if len(set(names)) < len(names):
            raise Unprocessable.at("rewards", Message("reward_twice"))
        if names:
            await self._check_rewards(names)

    async def rewards(self) -> list[Reward]:
        """Those that a request may name. Raises TallyError where their service is away."""
        return [
            Reward(
                name=known.name,
                description=known.description,
                package=known.package or None,
                fault=known.fault or None,
            )
            for known in await self._reward.rewards()
        ]

    async def _check_rewards(self, names: list[str]) -> None:
        try:
            known = {reward.name: reward for reward in await self._reward.rewards()}
        except TallyError:
            return  # the learner asks the same service, and waits for it
        for name in names:
            if name not in known:
                message = Message("reward_unknown", name=name, known=", ".join(sorted(known)))
                raise Unprocessable.at("rewards", message)
            if fault := known[name].fault:
                raise Unprocessable.at("rewards", Message("reward_faulty", name=name, fault=fault))
