"""A message to the CodedMessage of learner.v1 and back."""

from typing import Any

from tally.learner.v1 import host_pb2, worker_pb2
from tally.learner.v1 import learner_pb2 as pb
from tally.messages.message import Message, Value


def coded_message(message: Message) -> pb.CodedMessage:
    values = {name: _coded_value(value) for name, value in message.values.items()}
    return pb.CodedMessage(code=message.code, values=values)


def _coded_value(value: Value) -> pb.CodedValue:
    if isinstance(value, Message):
        return pb.CodedValue(message=coded_message(value))
    if isinstance(value, str):
        return pb.CodedValue(text=value)
    return pb.CodedValue(number=value)


def read_coded(coded: pb.CodedMessage) -> Message:
    """Whether or not it is known here."""
    return Message(coded.code, **{name: _value(value) for name, value in coded.values.items()})


def read_said(
    spoken: worker_pb2.ReportFailureRequest | host_pb2.RanksEnded, most_characters: int
) -> dict[str, Any] | None:
    """What it says in code, as JSON; None where it says nothing so, or at too much length."""
    if not spoken.HasField("said") or spoken.said.ByteSize() > 4 * most_characters:
        return None
    return read_coded(spoken.said).as_json()


def said_message(coded: pb.CodedMessage, english: str) -> Message:
    """`english` is the sentence that stands beside it: all there is to say where its code, or what
    the code names, is of another release."""
    message = read_coded(coded)
    return Message.of_known(message.code, message.values) or Message(
        "in_english", explanation=english
    )


def _value(coded: pb.CodedValue) -> Value:
    match coded.WhichOneof("value"):
        case "message":
            return read_coded(coded.message)
        case "text":
            return coded.text
        case _:
            return int(coded.number) if coded.number.is_integer() else coded.number
