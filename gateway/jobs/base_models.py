"""The base models that a request may name."""

from pydantic import BaseModel, Field

from gateway.errors import Unprocessable
from gateway.learner_client import LearnerClient
from gateway.recent import Recent
from gateway.settings import GatewaySettings
from tally.messages.message import Message

_FRESH_SECONDS = 1.0


class Licence(BaseModel):
    """A base model's licence, which counts for what is made of it, too."""

    title: str = Field(
        description="What it is called.", examples=["Qwen Research License Agreement"]
    )
    link: str = Field(
        description="Where it stands.",
        examples=["https://huggingface.co/Qwen/Qwen2.5-VL-3B-Instruct/blob/main/LICENSE"],
    )
    identifier: str = Field(description="The Hugging Face hub's word for it.", examples=["other"])
    is_for_research_only: bool = Field(
        description="Whether it allows research alone.", examples=[True]
    )


class BaseModelPublic(BaseModel):
    """A base model, as far as it is known without loading it."""

    name: str = Field(
        description="Names it in POST /train.", examples=["Qwen/Qwen2.5-VL-3B-Instruct"]
    )
    is_default: bool = Field(description="Whether it is the one that is taken where none is named.")
    family: str | None = Field(
        description="The model_type of its config.json; null where that is not known yet.",
        examples=["qwen2_5_vl"],
    )
    licence: Licence | None = Field(
        description="What it may be used for; null where Tally does not know: its own card says."
    )
    parameters: int | None = Field(
        description="Its parameters; null while its files are not on the learner's machine.",
        examples=[3754622976],
    )


class BaseModels:
    def __init__(self, settings: GatewaySettings, learner: LearnerClient) -> None:
        self._named = settings.models
        self._of_learner = Recent(learner.base_models, _FRESH_SECONDS)

    def check(self, name: str | None) -> None:
        """Raises Unprocessable for one that is not on this server's list; None is the first."""
        if self._named and name is not None and name not in self._named:
            message = Message("model_unlisted", models=", ".join(self._named))
            raise Unprocessable.at("model", message)

    async def names(self) -> list[str]:
        """The default first. Raises TallyError where only the learner knows, and is away."""
        return self._named or [model["name"] for model in await self._of_learner.get()]

    async def default(self) -> str:
        """As `names`."""
        return (await self.names())[0]

    async def describe(self) -> list[BaseModelPublic]:
        """The default first. Raises TallyError where the learner is away."""
        known = {model["name"]: model for model in await self._of_learner.get()}
        unknown = {"family": None, "licence": None, "parameters": None}
        names = self._named or list(known)
        return [
            BaseModelPublic(**known.get(name, unknown) | {"name": name, "is_default": number == 0})
            for number, name in enumerate(names)
        ]
