"""A conversation that a model is to go on with, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass

from learner_service.data.turns import Role, Turn
from learner_service.prediction.question import MOST_IMAGE_BYTES
from tally.job.prompt_template import PLAIN, PromptTemplate
from tally.rpc.errors import InvalidArgument

_MOST_TURNS = 100
_MOST_CHARACTERS = 100_000


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """Who goes on with it, and how; `adapter_digest` is empty for the base model alone.

    `prompt` is that of the job.
    """

    base_model: str
    adapter_digest: str
    turns: Sequence[Turn]
    image: bytes
    temperature: float
    seed: int
    max_image_size: int
    max_new_tokens: int
    prompt: PromptTemplate = PLAIN

    def __post_init__(self) -> None:
        """Raises InvalidArgument."""
        if not 0 < len(self.turns) <= _MOST_TURNS or self.turns[-1].role is not Role.USER:
            raise InvalidArgument(
                f"messages: expected 1 to {_MOST_TURNS}, the last of them a user's"
            )
        if any(turn.role is Role.SYSTEM for turn in self.turns[1:]):
            raise InvalidArgument("messages: only the first can be the system's")
        if not all(turn.text.strip() or turn.has_image for turn in self.turns):
            raise InvalidArgument("messages: expected a text in each")
        if sum(len(turn.text) for turn in self.turns) > _MOST_CHARACTERS:
            raise InvalidArgument(f"messages: expected at most {_MOST_CHARACTERS:,} characters")
        self._check_image()

    def _check_image(self) -> None:
        owners = [turn for turn in self.turns if turn.has_image]
        if len(owners) != (1 if self.image else 0) or any(
            turn.role is not Role.USER for turn in owners
        ):
            raise InvalidArgument("image: expected one with one message of a user, or none")
        if len(self.image) > MOST_IMAGE_BYTES:
            raise InvalidArgument("image: expected a file of at most 16 MiB")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """`is_cut` where the answer reached the most tokens that it may have."""

    text: str
    is_cut: bool
    prompt_tokens: int
    answer_tokens: int
