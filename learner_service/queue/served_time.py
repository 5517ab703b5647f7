"""How much each owner was served lately: seconds that their jobs ran, and the older, the less."""

from dataclasses import dataclass
from datetime import datetime, timedelta

_HALF_LIFE = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class ServedTime:
    """`seconds` as they count at `time`.

    Example:
        >>> served = ServedTime(seconds=100.0, time=datetime(2025, 1, 20))
        >>> served.at(datetime(2025, 1, 21)).seconds
        50.0
    """

    seconds: float
    time: datetime

    def at(self, time: datetime) -> "ServedTime":
        """As it counts at a later time; a clock that was set back changes nothing."""
        age = max(timedelta(0), time - self.time)
        return ServedTime(seconds=self.seconds * 0.5 ** (age / _HALF_LIFE), time=time)

    def plus(self, seconds: float, time: datetime) -> "ServedTime":
        """With what was served since."""
        return ServedTime(seconds=self.at(time).seconds + seconds, time=time)
