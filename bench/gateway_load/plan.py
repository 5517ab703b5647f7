"""How much of everything a run has."""

from dataclasses import dataclass

from gateway.settings import MIB


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Reads come evenly; uploads all at once; watchers come, and vanish all at once, in each round.

    A round begins `round_seconds` after the one before, unless that one took longer.
    """

    quiet_seconds: float = 15.0
    reading_seconds: float = 60.0
    reads_per_second: float = 300.0
    uploads: int = 10
    upload_bytes: int = 200 * MIB
    watchers: int = 200
    rounds: int = 5
    round_seconds: float = 6.0


QUICK = Plan(
    quiet_seconds=3.0,
    reading_seconds=4.0,
    reads_per_second=40.0,
    uploads=3,
    upload_bytes=24 * MIB,
    watchers=30,
    rounds=2,
    round_seconds=1.0,
)
