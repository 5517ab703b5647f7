"""What is asked about a picture."""

from gateway.errors import Unprocessable
from tally.messages.message import Message

MOST_QUESTION_BYTES = 16_000
_MOST_CHARACTERS = 4_000


def check_question(text: str) -> str:
    """Without blanks around it; raises Unprocessable."""
    text = text.strip()
    if not 0 < len(text) <= _MOST_CHARACTERS:
        raise Unprocessable.at("question", Message("question_length", most=_MOST_CHARACTERS))
    return text
