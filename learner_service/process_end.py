"""How a process ended that said nothing itself."""

import signal

from learner_service.errors import LESS_MEMORY
from tally.host.memory import memory_kills


class MemoryWatch:
    """Whether Linux has ended processes for want of memory since this was made."""

    def __init__(self) -> None:
        self._kills_before = memory_kills()

    @property
    def ran_out(self) -> bool | None:
        """None where Linux does not say."""
        return None if self._kills_before is None else memory_kills() != self._kills_before


def describe_end(code: int, memory_ran_out: bool | None) -> str:
    """By its exit code; a signal is negative.

    Example:
        >>> describe_end(-11, None)
        'ended (signal 11)'
        >>> describe_end(-9, memory_ran_out=False)
        'was killed from outside (signal 9)'
    """
    if code != -signal.SIGKILL:
        return f"ended (signal {-code})" if code < 0 else f"ended (exit code {code})"
    if memory_ran_out is False:
        return "was killed from outside (signal 9)"
    why = "because" if memory_ran_out else "most likely because"
    return f"was killed (signal 9), {why} memory ran out; {LESS_MEMORY}"
