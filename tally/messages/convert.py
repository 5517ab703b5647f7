"""A message to the CodedMessage of learner.v1 and back."""

from typing import Any

from tally.learner.v1 import host_pb2, worker_pb2
from tally.learner.v1 import learner_pb2 as pb
from tally.messages.message import Message, Value, known_message

# What may say in code what it says in English.
Spoken = pb.Notice | pb.JobEnded | worker_pb2.ReportFailureRequest | host_pb2.RanksEnded


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


def coded_json(said: dict[str, Any] | None) -> pb.CodedMessage | None:
    """Of a message's JSON."""
    return coded_message(Message.of_json(said)) if said else None


def read_said(spoken: Spoken, most_bytes: int | None = None) -> dict[str, Any] | None:
    """What it says in code, as a message's JSON; None where it says nothing so, or more."""
    if not spoken.HasField("said"):
        return None
    is_long = most_bytes is not None and spoken.said.ByteSize() > most_bytes
    return None if is_long else read_coded(spoken.said).as_json()


def said_message(coded: pb.CodedMessage, english: str) -> Message:
    """As known_message has it."""
    return known_message(read_coded(coded).as_json(), english)


def _value(coded: pb.CodedValue) -> Value:
    match coded.WhichOneof("value"):
        case "message":
            return read_coded(coded.message)
        case "text":
            return coded.text
        case _:
            return int(coded.number) if coded.number.is_integer() else coded.number
