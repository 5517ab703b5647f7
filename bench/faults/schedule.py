"""What happens to whom, and when: drawn from a seed, so that a run can be had again."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Victim(StrEnum):
    GATEWAY = "gateway"
    LEARNER = "learner"
    WORKER = "worker"
    ROLLOUT = "rollout"
    REWARD = "reward"


class Blow(StrEnum):
    KILL = "SIGKILL"
    PAUSE = "SIGSTOP"
    END = "SIGTERM"


_WEIGHTS = {
    Victim.GATEWAY: 3,
    Victim.LEARNER: 4,
    Victim.WORKER: 5,
    Victim.ROLLOUT: 3,
    Victim.REWARD: 1,
}
_BLOWS = {Blow.KILL: 5, Blow.PAUSE: 2, Blow.END: 2}
_YOUNG_SHARE = 0.25
GAP_SECONDS = 7.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`after_seconds` counts from the fault before, or from the start of a new worker where that
    is waited for; what is stopped goes on after `pause_seconds`."""

    victim: Victim
    blow: Blow
    after_seconds: float
    pause_seconds: float
    at_worker_start: bool


def draw_schedule(seed: int, cycles: int, gap_seconds: float = GAP_SECONDS) -> list[Fault]:
    """The same for a seed and a mean gap between blows, however many of them are drawn.

    Example:
        >>> draw_schedule(7, 3) == draw_schedule(7, 5)[:3]
        True
    """
    random = Random(seed)
    return [_draw(random, gap_seconds) for _ in range(cycles)]


def _draw(random: Random, gap_seconds: float) -> Fault:
    [victim] = random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    [blow] = random.choices(list(_BLOWS), list(_BLOWS.values()))
    young = random.random() < _YOUNG_SHARE and victim in (Victim.LEARNER, Victim.WORKER)
    shortest, longest = (0.0, 3.0) if young else (0.2, 2 * gap_seconds)
    return Fault(
        victim=victim,
        blow=blow,
        after_seconds=random.uniform(shortest, longest),
        pause_seconds=random.uniform(0.5, 12.0),
        at_worker_start=young,
    )
