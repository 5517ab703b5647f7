"""The two clients of a worker, and what it says while it waits for a service."""

from learner_service.clients.retry import Retry
from learner_service.clients.rewards import IDEMPOTENT_METHODS as REWARD_METHODS
from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import IDEMPOTENT_METHODS as ROLLOUT_METHODS
from learner_service.clients.rollouts import RolloutClient
from learner_service.events import Notice, Report
from learner_service.phases import Phases
from learner_service.settings import LearnerSettings
from tally.rpc.channel import open_channel


async def open_clients(
    settings: LearnerSettings, report: Report, phases: Phases
) -> tuple[RolloutClient, RewardClient]:
    """Opens both channels on the running event loop."""

    def on_reward_wait(waiting: bool) -> None:
        if waiting:
            report(Notice(message="the reward service does not answer; waiting for it"))

    secret = settings.secret
    rollout_channel = open_channel(
        settings.rollout, idempotent_methods=ROLLOUT_METHODS, health_checked=True, secret=secret
    )
    reward_channel = open_channel(
        settings.reward, idempotent_methods=REWARD_METHODS, health_checked=True, secret=secret
    )
    wait_seconds = settings.rollout_wait_seconds
    return (
        RolloutClient(
            rollout_channel,
            Retry(wait_seconds, phases.rollouts_away),
            settings.rollout_concurrency,
        ),
        RewardClient(reward_channel, Retry(wait_seconds, on_reward_wait)),
    )
