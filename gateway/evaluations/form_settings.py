"""The settings that a multipart form may have beside its file."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.errors import Problem, refuse
from gateway.jobs.train_models import model_name
from tally.job.settings import TrainingConfig

# The most bytes of each.
SETTING_TEXTS = {"model": 200, "max_image_size": 20, "max_new_tokens": 20}
Model = TypeVar("Model", bound=BaseModel)
_NUMBERS = ("max_image_size", "max_new_tokens")


def validate(model: type[Model], given: dict[str, Any]) -> Model:
    """The model of what a form gave; raises Unprocessable that names a field."""
    try:
        return model(**given)
    except ValidationError as error:
        refuse([Problem(str(item["loc"][-1]), item["msg"]) for item in error.errors()])
        raise


def form_settings(texts: dict[str, str]) -> dict[str, Any]:
    """Those that are there, as JSON would have them; raises Unprocessable that names a field."""
    given: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in _NUMBERS:
        text = texts.get(name, "0")
        if not (text.isascii() and text.isdigit()):
            problems.append(Problem(name, "is not a whole number"))
        elif name in texts:
            given[name] = int(text)
    refuse(problems)
    validate(TrainingConfig, given)
    if "model" in texts:
        try:
            given["model"] = model_name(texts["model"])
        except ValueError as error:
            refuse([Problem("model", str(error))])
    return given
