"""The rewards that are built in, each a pure function of one answer."""

from collections.abc import Callable
from dataclasses import dataclass

from reward_service.documented_form import is_documented_form
from reward_service.read_answer import ReadAnswer
from reward_service.tagged_form import is_tagged_form

# 0.5 - 0.1 * (difference - 2) from 3 to 5, as in the user's table; 0 beyond.
_PROGRESSIVE = {0: 1.0, 1: 0.85, 2: 0.7, 3: 0.4, 4: 0.3, 5: 0.2}
# What CrowdVLM-R1 (arXiv 2504.03724) gives to the true count: 1.5 less the relative error, below
# a half of it. Divided by this it is in [0, 1].
_MOST_RELATIVE = 1.5


@dataclass(frozen=True, kw_only=True)
class Reward:
    """What a request names."""

    name: str
    description: str


@dataclass(frozen=True, kw_only=True)
class BuiltInReward(Reward):
    """`value` gives a number in [0, 1]."""

    value: Callable[[ReadAnswer], float]


def progressive_count(answer: ReadAnswer) -> float:
    if answer.difference is None:
        return 0.0
    return _PROGRESSIVE.get(answer.difference, 0.0)


def exact(answer: ReadAnswer) -> float:
    return float(answer.difference == 0)


def relative_count(answer: ReadAnswer) -> float:
    if answer.difference is None:
        return 0.0
    base = max(answer.true_count, 1)
    if 2 * answer.difference >= base:
        return 0.0
    return (_MOST_RELATIVE - answer.difference / base) / _MOST_RELATIVE


def tagged_answer(answer: ReadAnswer) -> float:
    return progressive_count(answer) if is_tagged_form(answer.text) else 0.0


def documented_form(answer: ReadAnswer) -> float:
    return float(is_documented_form(answer.text))


REWARDS = {
    reward.name: reward
    for reward in (
        BuiltInReward(
            name="progressive_count",
            description="1.0 for the true count, 0.85 for a difference of 1, 0.7 for 2, 0.4 for 3, "
            "0.3 for 4, 0.2 for 5; 0 for more and where there is no count.",
            value=progressive_count,
        ),
        BuiltInReward(
            name="exact",
            description="1 for the true count, 0 for anything else.",
            value=exact,
        ),
        BuiltInReward(
            name="format",
            description='1 where the whole answer has the form "A photo of N things", whatever N '
            "is; 0 otherwise.",
            value=documented_form,
        ),
        BuiltInReward(
            name="relative_count",
            description="For large counts: 1 for the true count, falling to 2/3 with the error "
            "relative to it; 0 from half of it on and where there is no count.",
            value=relative_count,
        ),
        BuiltInReward(
            name="tagged_answer",
            description="progressive_count of an answer that reasons first and ends in one "
            "<answer>…</answer> or \\boxed{…}, whose count it is; 0 without that form.",
            value=tagged_answer,
        ),
    )
}
DEFAULT_REWARD = "progressive_count"
