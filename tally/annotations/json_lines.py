"""A line of JSON as a question: {"image": "a.jpg", "question": "…", "answer": 3}."""

import msgspec

from tally.annotations.errors import NoQuestion
from tally.annotations.questions import Question


class _Line(msgspec.Struct):
    """What is read of a line; other fields are passed over. A number may be the answer."""

    question: str
    answer: str | int
    images_path: str = ""
    image_path: str = ""
    image: str = ""
    file_name: str = ""


_DECODER = msgspec.json.Decoder(_Line)


def read_question(line: str | bytes) -> Question:
    """The image is the first that is there of the names it may have. Raises NoQuestion."""
    try:
        read = _DECODER.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise NoQuestion(str(error)[:200]) from None
    image = read.images_path or read.image_path or read.image or read.file_name
    return Question(image.strip(), read.question.strip(), str(read.answer).strip())
