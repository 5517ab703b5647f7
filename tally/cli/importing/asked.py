"""A question about a picture, as it goes into the documented ZIP."""

from collections.abc import Callable
from typing import NamedTuple

from tally.annotations.questions import Question


class Asked(NamedTuple):
    """The question names the picture as it is below images/; `read` gives its bytes."""

    question: Question
    read: Callable[[], bytes]
