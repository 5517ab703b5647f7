"""How a process ended that said nothing itself."""

import signal

from tally.host.memory import memory_kills
from tally.messages.message import Message


class MemoryWatch:
    """Whether Linux has ended processes for want of memory since this was made."""

    def __init__(self) -> None:
        self._kills_before = memory_kills()

    @property
    def ran_out(self) -> bool | None:
        """None where Linux does not say."""
        return None if self._kills_before is None else memory_kills() != self._kills_before


def describe_end(code: int, memory_ran_out: bool | None) -> Message:
    """By its exit code; a signal is negative.

    Example:
        >>> str(describe_end(-11, None))
        'ended (signal 11)'
        >>> str(describe_end(-9, memory_ran_out=False))
        'was killed from outside (signal 9)'
    """
    if code != -signal.SIGKILL:
        if code < 0:
            return Message("ended_by_signal", signal=-code)
        return Message("ended_with_code", code=code)
    if memory_ran_out is False:
        return Message("killed_from_outside")
    return Message("killed_for_memory" if memory_ran_out else "killed_perhaps_for_memory")
