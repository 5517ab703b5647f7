"""A completion as the server-sent events that a client of the OpenAI API reads."""

import json
import re
from collections.abc import Iterator
from typing import Any

from gateway.chat.chat_models import ChatCompletion

# A word with the spaces before it.
_PIECE = re.compile(r"\s*\S+|\s+$")


def to_chunks(completion: ChatCompletion, *, with_usage: bool) -> Iterator[str]:
    """Word by word. The answer is whole by then: the replicas hand it over so."""
    [choice] = completion.choices
    yield _chunk(completion, {"role": "assistant", "content": ""})
    for piece in _PIECE.findall(choice.message.content):
        yield _chunk(completion, {"content": piece})
    yield _chunk(completion, {}, choice.finish_reason)
    if with_usage:
        usage = completion.usage.model_dump()
        yield _event({**_head(completion), "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _chunk(completion: ChatCompletion, delta: dict[str, str], reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return _event({**_head(completion), "choices": [choice]})


def _head(completion: ChatCompletion) -> dict[str, Any]:
    return {
        "id": completion.id,
        "object": "chat.completion.chunk",
        "created": completion.created,
        "model": completion.model,
    }


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
