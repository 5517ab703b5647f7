"""The rewards that Score knows, each a pure function of one answer."""

from collections.abc import Callable
from dataclasses import dataclass

from reward_service.documented_form import is_documented_form
from reward_service.parsed_count import ParsedCount

# 0.5 - 0.1 * (difference - 2) from 3 to 5, as in the user's table; 0 beyond.
_PROGRESSIVE = {0: 1.0, 1: 0.85, 2: 0.7, 3: 0.4, 4: 0.3, 5: 0.2}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """An answer, the count that was read from it, and |count - true count|, None without one."""

    text: str
    parsed_count: ParsedCount
    difference: int | None


@dataclass(frozen=True, kw_only=True)
class Reward:
    """A named reward; `value` gives a number in [0, 1]."""

    name: str
    description: str
    value: Callable[[Reading], float]


def progressive_count(reading: Reading) -> float:
    if reading.difference is None:
        return 0.0
    return _PROGRESSIVE.get(reading.difference, 0.0)


def exact(reading: Reading) -> float:
    return float(reading.difference == 0)


def documented_form(reading: Reading) -> float:
    return float(is_documented_form(reading.text))


REWARDS = {
    reward.name: reward
    for reward in (
        Reward(
            name="progressive_count",
            description="1.0 for the true count, 0.85 for a difference of 1, 0.7 for 2, 0.4 for 3, "
            "0.3 for 4, 0.2 for 5; 0 for more and where there is no count.",
            value=progressive_count,
        ),
        Reward(
            name="exact",
            description="1 for the true count, 0 for anything else.",
            value=exact,
        ),
        Reward(
            name="format",
            description='1 where the whole answer has the form "A photo of N things", whatever N '
            "is; 0 otherwise.",
            value=documented_form,
        ),
    )
}
DEFAULT_REWARD = "progressive_count"
