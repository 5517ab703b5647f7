"""What a reward is told of an answer. Rewards of other packages get it too."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReadAnswer:
    """An answer, the count that was read from it, and |count - true count|; None without one."""

    text: str
    true_count: int
    count: int | None
    difference: int | None
