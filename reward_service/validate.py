"""What a request must be, as the contract promises; each error names the field."""

from collections.abc import Iterable, Sequence
from math import isfinite

from reward_service.errors import BadBatch, BadReward, BadTrueCount
from reward_service.rewards import REWARDS
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


def weighted_rewards(named_weights: Iterable[tuple[str, float]]) -> Sequence[WeightedReward]:
    """The rewards by name, the default where none is named; raises BadReward."""
    rewards: dict[str, WeightedReward] = {}
    for index, (name, weight) in enumerate(named_weights):
        if name not in REWARDS:
            known = ", ".join(REWARDS)
            raise BadReward(f"rewards[{index}].name: no {name[:_MAX_QUOTED]!r}; known are {known}")
        if name in rewards:
            raise BadReward(f"rewards[{index}].name: {name!r} is there twice; add the weights up")
        if not isfinite(weight):
            raise BadReward(f"rewards[{index}].weight: {weight} is not a finite number")
        rewards[name] = WeightedReward(reward=REWARDS[name], weight=weight)
    if not isfinite(sum(abs(weighted.weight) for weighted in rewards.values())):
        raise BadReward("rewards: the weights are too large to be added up")
    return tuple(rewards.values()) or DEFAULT_REWARDS
