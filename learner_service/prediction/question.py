"""A question about an image, and an answer to it."""

from dataclasses import dataclass

from learner_service.job_folder.published_adapters import PublishedAdapters
from tally.job.prompt_template import PLAIN, PromptTemplate
from tally.rpc.errors import FailedPrecondition, InvalidArgument

MOST_IMAGE_BYTES = 16 * 1024**2
_MOST_QUESTION_CHARACTERS = 4_000


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of whom; `adapter_digest` is empty for the base model alone.

    `prompt` is that of the job, for both of them.
    """

    base_model: str
    adapter_digest: str
    image: bytes
    text: str
    max_image_size: int
    max_new_tokens: int
    prompt: PromptTemplate = PLAIN

    def __post_init__(self) -> None:
        if not 0 < len(self.image) <= MOST_IMAGE_BYTES:
            raise InvalidArgument("image: expected a file of at most 16 MiB")
        if not 0 < len(self.text.strip()) <= len(self.text) <= _MOST_QUESTION_CHARACTERS:
            raise InvalidArgument("question: expected 1 to 4,000 characters")


@dataclass(frozen=True, kw_only=True)
class ModelAnswer:
    """A count, or why there is none."""

    text: str
    count: int | None
    explanation: str


def last_adapter(published: PublishedAdapters) -> str:
    """The digest of a job's newest adapter; raises FailedPrecondition."""
    if published.last is None:
        raise FailedPrecondition("the job has no adapter yet; try again after its first step")
    return published.last
