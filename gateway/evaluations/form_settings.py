"""The settings that a multipart form may have beside its file."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.errors import Problem, refuse
from gateway.invalid_fields import BadValue, message_of
from gateway.jobs.job_models import Checkpoint
from gateway.jobs.train_models import model_name
from tally.job.settings import TrainingConfig
from tally.messages.message import Message

# The most bytes of each.
SETTING_TEXTS = {"model": 200, "max_image_size": 20, "max_new_tokens": 20}
Model = TypeVar("Model", bound=BaseModel)
_NUMBERS = ("max_image_size", "max_new_tokens")


def validate(model: type[Model], given: dict[str, Any]) -> Model:
    """The model of what a form gave; raises Unprocessable that names a field."""
    try:
        return model(**given)
    except ValidationError as error:
        refuse([Problem(str(item["loc"][-1]), message_of(item)) for item in error.errors()])
        raise


class _Named(BaseModel):
    checkpoint: Checkpoint = "last"


def form_checkpoint(texts: dict[str, str]) -> Checkpoint:
    """Raises Unprocessable for one that there never is."""
    return validate(_Named, {"checkpoint": texts.get("checkpoint", "last")}).checkpoint


def form_settings(texts: dict[str, str]) -> dict[str, Any]:
    """Those that are there, as JSON would have them; raises Unprocessable that names a field."""
    given: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in _NUMBERS:
        text = texts.get(name, "0")
        if not (text.isascii() and text.isdigit()):
            problems.append(Problem(name, Message("no_whole_number")))
        elif name in texts:
            given[name] = int(text)
    refuse(problems)
    validate(TrainingConfig, given)
    if "model" in texts:
        try:
            given["model"] = model_name(texts["model"])
        except BadValue as error:
            refuse([Problem("model", error.message)])
    return given
