"""Between the gateway's conversations and the messages of learner.v1."""

from typing import NamedTuple

from gateway.convert import to_checkpoint
from tally.learner.v1 import learner_pb2 as pb


class ChatQuestion(NamedTuple):
    """A conversation to go on with; what is empty or None takes the learner's default.

    `checkpoint` is which adapter of the job; `messages` are role, text, and whether the image
    belongs to it, each.
    """

    base_model: str
    job_id: str
    checkpoint: str
    messages: tuple[tuple[str, str, bool], ...]
    image: bytes
    temperature: float | None
    seed: int | None
    max_new_tokens: int | None


class ChatReply(NamedTuple):
    """What is said next; `is_cut` where it reached the most tokens that it may have."""

    text: str
    is_cut: bool
    prompt_tokens: int
    answer_tokens: int


_CHAT_ROLES = {
    "system": pb.CHAT_ROLE_SYSTEM,
    "developer": pb.CHAT_ROLE_SYSTEM,
    "user": pb.CHAT_ROLE_USER,
    "assistant": pb.CHAT_ROLE_ASSISTANT,
}


def to_chat_request(question: ChatQuestion) -> pb.ChatRequest:
    messages = [
        pb.ChatMessage(role=_CHAT_ROLES[role], text=text, has_image=has_image)
        for role, text, has_image in question.messages
    ]
    checkpoint = to_checkpoint(question.checkpoint)
    return pb.ChatRequest(**question._asdict() | {"messages": messages, "checkpoint": checkpoint})


def to_chat_reply(response: pb.ChatResponse) -> ChatReply:
    return ChatReply(
        text=response.text,
        is_cut=response.is_cut,
        prompt_tokens=response.prompt_tokens,
        answer_tokens=response.answer_tokens,
    )
