"""How often a cache held what it was asked for."""

from dataclasses import dataclass


@dataclass(kw_only=True)
class Lookups:
    """So far. Counted where the cache is asked, read by whoever wants to know.

    Example:
        >>> lookups = Lookups()
        >>> lookups.note(False); lookups.note(True); lookups
        Lookups(hits=1, misses=1)
    """

    hits: int = 0
    misses: int = 0

    def note(self, found: bool) -> None:
        if found:
            self.hits += 1
        else:
            self.misses += 1
