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


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`after_seconds` counts from the fault before, or from the start of a new worker where that
    is waited for; what is stopped goes on after `pause_seconds`."""

    victim: Victim
    blow: Blow
    after_seconds: float
    pause_seconds: float
    at_worker_start: bool


def draw_schedule(seed: int, cycles: int) -> list[Fault]:
    """The same for a seed, however many of them are drawn.

    Example:
        >>> draw_schedule(7, 3) == draw_schedule(7, 5)[:3]
        True
    """
    random = Random(seed)
    return [_draw(random) for _ in range(cycles)]


def _draw(random: Random) -> Fault:
    [victim] = random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    [blow] = random.choices(list(_BLOWS), list(_BLOWS.values()))
    young = random.random() < _YOUNG_SHARE and victim in (Victim.LEARNER, Victim.WORKER)
    return Fault(
        victim=victim,
        blow=blow,
        after_seconds=random.uniform(0.0, 3.0) if young else random.uniform(0.2, 14.0),
        pause_seconds=random.uniform(0.5, 12.0),
        at_worker_start=young,
    )
