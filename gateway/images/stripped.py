"""What is left of a picture's bytes, and what is wrong with those of others."""

from typing import NamedTuple

UPRIGHT = 1
# Pillow's Python takes microseconds for each; cameras and encoders write some thousands.
MOST_PARTS = 200_000


class Stripped(NamedTuple):
    """The bytes of one picture without what is said about it, and how its EXIF would turn it."""

    data: bytes
    orientation: int = UPRIGHT


class BadImage(Exception):
    """What is wrong with a picture, and what would be right."""


def damage() -> BadImage:
    return BadImage("is truncated or damaged; export it again")


def too_many_parts() -> BadImage:
    return BadImage(f"is made of more than {MOST_PARTS:,} parts; export it again")
