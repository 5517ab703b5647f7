"""What is left of a picture's bytes, and what is wrong with those of others."""

from typing import NamedTuple

from tally.messages.message import Message

UPRIGHT = 1
# Pillow's Python takes microseconds for each; cameras and encoders write some thousands.
MOST_PARTS = 200_000


class Stripped(NamedTuple):
    """The bytes of one picture without what is said about it, and how its EXIF would turn it."""

    data: bytes
    orientation: int = UPRIGHT


class BadImage(Exception):
    """What is wrong with a picture, and what would be right."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


def damage() -> BadImage:
    return BadImage(Message("picture_damaged"))


def too_many_parts() -> BadImage:
    return BadImage(Message("picture_parts", most=MOST_PARTS))
