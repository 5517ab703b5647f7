"""How sure a comparison on held-out photos can be, by their number."""

from collections.abc import Iterator, Sequence
from math import sqrt

_PHOTOS = (100, 300, 500, 1000)
_SHARE = 0.1
_RIGHT = 0.8
_DEVIATIONS = 1.96


def held_out_rows() -> Iterator[Sequence[str]]:
    for photos in _PHOTOS:
        held_out = round(_SHARE * photos)
        low, high = wilson_interval(_RIGHT, held_out)
        yield [f"{photos:,}", f"{held_out}", f"{low:.0%} to {high:.0%}"]


def wilson_interval(share: float, number: int) -> tuple[float, float]:
    """Of a share of `number` independent answers, at 95%."""
    square = _DEVIATIONS**2
    middle = share + square / (2 * number)
    width = _DEVIATIONS * sqrt(share * (1 - share) / number + square / (4 * number**2))
    return (middle - width) / (1 + square / number), (middle + width) / (1 + square / number)
