"""What was said in a conversation."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """As chat templates call them."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one of them said; an image stands before the text, as a job's questions have it."""

    role: Role
    text: str
    has_image: bool = False

    def as_message(self) -> dict[str, Any]:
        """For a chat template."""
        image = [{"type": "image"}] if self.has_image else []
        return {"role": self.role.value, "content": [*image, {"type": "text", "text": self.text}]}
