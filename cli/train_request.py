"""The body of POST /train, from a settings file and from --set."""

import json
from pathlib import Path
from typing import Any

from cli.api_client import Json
from cli.errors import CliError


def read_config(path: Path) -> Json:
    """A JSON object as the user's document shows: training_config, lora_config."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CliError(f"{path} can't be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise CliError(f'{path} must hold an object such as {{"training_config": {{…}}}}.')
    return config


def apply_settings(request: Json, settings: list[str]) -> None:
    """Puts each "training_config.num_epochs=3" into the request; later ones win."""
    for setting in settings:
        path, separator, text = setting.partition("=")
        names = path.strip().split(".")
        if not separator or not all(names):
            raise CliError(f"{setting!r} is not of the form training_config.num_epochs=3.")
        _put(request, names, _value(text))


def _put(request: Json, names: list[str], value: Any) -> None:
    for name in names[:-1]:
        request = request.setdefault(name, {})
        if not isinstance(request, dict):
            raise CliError(f"{name} holds a value, not settings, so {names[-1]} can't be in it.")
    request[names[-1]] = value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
