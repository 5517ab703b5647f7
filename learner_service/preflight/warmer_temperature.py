"""At which temperature most groups would teach, where at the job's own they would not."""

from collections.abc import Sequence
from dataclasses import dataclass

from learner_service.clients.rewards import RewardClient
from learner_service.clients.rollouts import Rollouts
from learner_service.data.dataset import Row
from learner_service.data.prompts import Prompter
from learner_service.preflight.base_sample import BaseSample, ask_base_model
from learner_service.spec import Training

# Share of groups that differ in reward.
MOST_GROUPS = 0.5
_TRIED = (0.5, 0.7, 1.0, 1.3)


@dataclass(frozen=True, kw_only=True)
class Warmer:
    """`varied_group_rate` is what the base model's answers come to at this temperature."""

    temperature: float
    varied_group_rate: float


async def find_warmer(
    rollouts: Rollouts,
    rewards: RewardClient,
    prompter: Prompter,
    training: Training,
    rows: Sequence[Row],
    *,
    base: BaseSample,
    highest: float,
) -> Warmer | None:
    """The lowest of a few temperatures at which most groups would teach; where there is none, that
    of the most groups, if they are more than now. `highest` is what the replicas take, 0 for any.

    Raises RolloutsUnavailable.
    """
    best: Warmer | None = None
    for temperature in _TRIED:
        if temperature <= training.config.temperature or 0 < highest < temperature:
            continue
        sample = await ask_base_model(rollouts, rewards, prompter, _at(training, temperature), rows)
        rate = sample.varied_group_rate
        if rate > (best.varied_group_rate if best else base.varied_group_rate):
            best = Warmer(temperature=temperature, varied_group_rate=rate)
        if rate >= MOST_GROUPS:
            break
    return best


def _at(training: Training, temperature: float) -> Training:
    config = training.config.model_copy(update={"temperature": temperature})
    return training.model_copy(update={"config": config})
