"""What a request must be, as the contract promises; each error names the field."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite

from reward_service.errors import BadBatch, BadReward, BadTrueCount
from reward_service.installed.installed_reward import MOST_VALUE, InstalledReward
from reward_service.rewards import REWARDS, Reward
from reward_service.score import DEFAULT_REWARDS, WeightedReward

MAX_BATCH = 4096
MAX_TEXT_CHARACTERS = 100_000
MAX_REQUEST_CHARACTERS = 1_000_000
_MAX_QUOTED = 40


def check_texts(fields: str, texts: Sequence[str], *, attribute: str = "") -> None:
    """Raises BadBatch for too many texts, one that is too long, or too many characters in all."""
    if len(texts) > MAX_BATCH:
        raise BadBatch(f"{fields}: {len(texts):,} items; send at most {MAX_BATCH:,} in a request")
    for index, text in enumerate(texts):
        if len(text) > MAX_TEXT_CHARACTERS:
            raise BadBatch(
                f"{fields}[{index}]{attribute}: {len(text):,} characters; send at most "
                f"{MAX_TEXT_CHARACTERS:,} in a text"
            )
    characters = sum(map(len, texts))
    if characters > MAX_REQUEST_CHARACTERS:
        raise BadBatch(
            f"{fields}: {characters:,} characters in all; send at most "
            f"{MAX_REQUEST_CHARACTERS:,} in a request"
        )


def check_true_count(field: str, true_count: int) -> None:
    """Raises BadTrueCount for a count below 0."""
    if true_count < 0:
        raise BadTrueCount(f"{field}: {true_count} is below 0; a true count is 0 or more")


def weighted_rewards(
    named_weights: Iterable[tuple[str, float]], installed: Mapping[str, InstalledReward]
) -> Sequence[WeightedReward[Reward]]:
    """The rewards by name, the default where none is named; raises BadReward."""
    known: Mapping[str, Reward] = {**REWARDS, **installed}
    rewards: dict[str, WeightedReward[Reward]] = {}
    for index, (name, weight) in enumerate(named_weights):
        field = f"rewards[{index}]"
        if name not in known:
            names = ", ".join(known)
            raise BadReward(f"{field}.name: no {name[:_MAX_QUOTED]!r}; known are {names}")
        if name in rewards:
            raise BadReward(f"{field}.name: {name!r} is there twice; add the weights up")
        if not isfinite(weight):
            raise BadReward(f"{field}.weight: {weight} is not a finite number")
        if name in installed and installed[name].fault:
            raise BadReward(f"{field}.name: the reward {name} {installed[name].fault}")
        rewards[name] = WeightedReward(reward=known[name], weight=weight)
    if not isfinite(MOST_VALUE * sum(abs(weighted.weight) for weighted in rewards.values())):
        raise BadReward("rewards: the weights are too large to be added up")
    return tuple(rewards.values()) or DEFAULT_REWARDS
