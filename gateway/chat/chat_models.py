"""Bodies of the OpenAI API's chat completions and models, as far as they are taken here."""

import time
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.invalid_fields import BadValue
from tally.messages.message import Message

_MOST_MESSAGES = 100
_MOST_CHARACTERS = 100_000
# What of the OpenAI API is not offered, and the values with which it says nothing.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "top_p": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "stop": ([], ""),
    "tools": ([],),
    "functions": ([],),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
}


class TextPart(BaseModel):
    type: Literal["text"] = Field(description="Which kind of part it is.")
    text: str = Field(max_length=_MOST_CHARACTERS, description="What is said.")


class ImageUrl(BaseModel):
    url: str = Field(
        description="A data URL with the picture in base64, of at most 16 MiB.",
        examples=["data:image/png;base64,iVBORw0KGgo="],
    )


class ImagePart(BaseModel):
    type: Literal["image_url"] = Field(description="Which kind of part it is.")
    image_url: ImageUrl = Field(description="The picture.")


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class ChatMessage(BaseModel):
    """A picture stands before the texts of its message, as in the questions of a job."""

    role: Literal["system", "developer", "user", "assistant"] = Field(
        description="Who says it; developer is another name for system."
    )
    content: Annotated[str, Field(max_length=_MOST_CHARACTERS)] | list[Part] = Field(
        description="What is said: a text, or parts."
    )

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def image_urls(self) -> list[tuple[int, str]]:
        """With the number of each one's part."""
        parts = [] if isinstance(self.content, str) else self.content
        return [
            (number, part.image_url.url)
            for number, part in enumerate(parts)
            if isinstance(part, ImagePart)
        ]


class StreamOptions(BaseModel):
    include_usage: bool = Field(False, description="Whether the last event counts tokens.")


class ChatRequest(BaseModel):
    """What is not named here is passed over, unless it would change the answer."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    model: str = Field(
        max_length=200,
        description="A base model, or the job_id of the job whose adapter answers: its last one, "
        "or with `:best` after the id its best one.",
        examples=["2f6d1c9a-0b0e-4b4e-8a51-0f6b8f1f7c33"],
    )
    messages: list[ChatMessage] = Field(
        min_length=1,
        max_length=_MOST_MESSAGES,
        description="The last is a user's; one picture at most.",
    )
    temperature: float | None = Field(
        None, ge=0, le=10, description="0 is greedy, and what is taken where it is left out."
    )
    max_completion_tokens: int | None = Field(
        None, ge=1, le=1024, description="As max_new_tokens of the job, which is the default."
    )
    max_tokens: int | None = Field(
        None, ge=1, le=1024, description="Another name for max_completion_tokens."
    )
    seed: int | None = Field(
        None, ge=0, le=2**53 - 1, description="Makes what is sampled repeatable."
    )
    stream: bool | None = Field(None, description="Whether to answer with server-sent events.")
    stream_options: StreamOptions | None = Field(None, description="Of a stream alone.")

    @model_validator(mode="after")
    def _refuse_what_is_not_offered(self) -> Self:
        for name, value in (self.model_extra or {}).items():
            if name in _NEUTRAL and value is not None and value not in _NEUTRAL[name]:
                raise BadValue(Message("chat_setting_not_offered", name=name))
        return self

    @property
    def most_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class Said(BaseModel):
    role: Literal["assistant"] = Field("assistant", description="Always the assistant.")
    content: str = Field(description="What the model says.", examples=["A photo of 4 apples"])


class Choice(BaseModel):
    index: Literal[0] = Field(0, description="There is one.")
    message: Said = Field(description="What is said.")
    finish_reason: Literal["stop", "length"] = Field(
        description="length where it reached the most tokens that it may have."
    )


class Usage(BaseModel):
    prompt_tokens: int = Field(description="Those of the conversation, the picture's among them.")
    completion_tokens: int = Field(description="Those of the answer.")
    total_tokens: int = Field(description="Both together.")


class ChatCompletion(BaseModel):
    """What the model says next."""

    id: str = Field(description="Names this answer.", examples=["chatcmpl-2f6d1c9a"])
    object: Literal["chat.completion"] = Field("chat.completion", description="What this is.")
    created: int = Field(
        default_factory=lambda: int(time.time()), description="When, in Unix seconds."
    )
    model: str = Field(description="The model that was asked for.")
    choices: list[Choice] = Field(description="One answer.")
    usage: Usage = Field(description="How many tokens it took.")


class Model(BaseModel):
    """A base model, or the adapter of a job."""

    id: str = Field(description="What a request calls it.")
    object: Literal["model"] = Field("model", description="What this is.")
    created: int = Field(description="When the job was made, in Unix seconds; 0 for a base.")
    owned_by: str = Field(description="Whose job it is; tally for nobody's in particular.")
    job_name: str | None = Field(None, description="The job's name; null for a base.")


class Models(BaseModel):
    object: Literal["list"] = Field("list", description="What this is.")
    data: list[Model] = Field(description="The base models first.")
