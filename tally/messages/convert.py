"""A message to the CodedMessage of learner.v1 and back."""

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


def said_message(coded: pb.CodedMessage, english: str) -> Message:
    """`english` is the sentence that stands beside it: all there is to say where its code, or what
    the code names, is of another release."""
    values = {name: _value(value) for name, value in coded.values.items()}
    return Message.known(coded.code, values) or Message("in_english", explanation=english)


def _value(coded: pb.CodedValue) -> Value:
    match coded.WhichOneof("value"):
        case "message":
            values = {name: _value(value) for name, value in coded.message.values.items()}
            return Message(coded.message.code, **values)
        case "text":
            return coded.text
        case _:
            return int(coded.number) if coded.number.is_integer() else coded.number
