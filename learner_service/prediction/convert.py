"""learner.v1 messages of questions and conversations to the learner's own types, and back."""

from collections.abc import Sequence
from dataclasses import asdict

from learner_service.data.turns import Role, Turn
from learner_service.prediction.conversation import Reply
from learner_service.prediction.question import ModelAnswer
from tally.learner.v1 import learner_pb2 as pb
from tally.rpc.errors import InvalidArgument

_ROLES = {
    pb.CHAT_ROLE_SYSTEM: Role.SYSTEM,
    pb.CHAT_ROLE_USER: Role.USER,
    pb.CHAT_ROLE_ASSISTANT: Role.ASSISTANT,
}


def turns_from_proto(messages: Sequence[pb.ChatMessage]) -> list[Turn]:
    """Raises InvalidArgument."""
    if any(message.role not in _ROLES for message in messages):
        raise InvalidArgument("messages: expected a role of system, user or assistant in each")
    return [
        Turn(role=_ROLES[message.role], text=message.text, has_image=message.has_image)
        for message in messages
    ]


def chat_response(reply: Reply) -> pb.ChatResponse:
    return pb.ChatResponse(**asdict(reply))


def answer_response(answers: Sequence[ModelAnswer]) -> pb.AnswerResponse:
    messages = [
        pb.ModelAnswer(text=answer.text, count=answer.count, explanation=answer.explanation)
        for answer in answers
    ]
    return pb.AnswerResponse(**dict(zip(("base", "adapter"), messages, strict=False)))
