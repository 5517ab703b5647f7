"""The two clients of a worker, and what it says while it waits for a service."""

from learner_service.clients.retry import Retry
from learner_service.clients.rewards import IDEMPOTENT_METHODS as REWARD_METHODS
from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import IDEMPOTENT_METHODS as ROLLOUT_METHODS
from learner_service.clients.rollouts import RolloutClient
from learner_service.events import Notice, Report
from learner_service.phases import Phases
from learner_service.settings import LearnerSettings
from tally.messages.message import Message
from tally.rpc.channel import open_channel
from tally.rpc.settings import ClientSettings


async def open_rollouts(
    settings: LearnerSettings, replicas: ClientSettings, phases: Phases
) -> RolloutClient:
    """Opens the channel on the running event loop."""
    channel = open_channel(
        replicas, idempotent_methods=ROLLOUT_METHODS, health_checked=True, secret=settings.secret
    )
    retry = Retry(settings.rollout_wait_seconds, phases.rollouts_away)
    return RolloutClient(channel, retry, settings.rollout_concurrency)


async def open_rewards(settings: LearnerSettings, report: Report) -> RewardClient:
    """Opens the channel on the running event loop."""

    def on_wait(waiting: bool) -> None:
        if waiting:
            report(Notice.of(Message("waiting_for_rewards")))

    channel = open_channel(
        settings.reward,
        idempotent_methods=REWARD_METHODS,
        health_checked=True,
        secret=settings.secret,
    )
    return RewardClient(channel, Retry(settings.rollout_wait_seconds, on_wait))
