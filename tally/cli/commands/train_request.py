"""The body of POST /train: a preset, then a settings file, then --set; later ones win."""

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from tally.cli.answers import Json
from tally.cli.commands.completion import (
    complete_file_id,
    complete_job_id,
    complete_preset,
    complete_setting,
)
from tally.cli.commands.data import existing_file, file_id_of
from tally.cli.commands.identifiers import job_id_of, uploaded_id_of
from tally.cli.commands.settings_schema import full_name, settings_of
from tally.cli.errors import CliError
from tally.client import Client, RequestRefused
from tally.client.answers import TrainRequest

_NO_FILE = "00000000-0000-0000-0000-000000000000"
Data = Annotated[
    str | None,
    typer.Option(metavar="FILE_ID|ZIP", help="What to train on.", autocompletion=complete_file_id),
]
Evaluate = Annotated[
    str | None,
    typer.Option(
        metavar="FILE_ID|ZIP",
        help="Compare base and adapter on this afterwards; on some of the data if unset.",
        autocompletion=complete_file_id,
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(
        metavar="JOB_ID|ZIP|FILE_ID",
        help="Train on from a job's adapter, or from one that PEFT wrote.",
        autocompletion=complete_job_id,
    ),
]
Name = Annotated[str | None, typer.Option(help="A name for the job.")]
Priority = Annotated[
    int | None,
    typer.Option(help="Jobs of a higher one start first, -10 to 10; above 0 for operators. 0."),
]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", help="A word to find the job by; again for one more.")
]
Preset = Annotated[
    str | None,
    typer.Option(help="Settings that go together.", autocompletion=complete_preset),
]
Config = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="JSON with training_config, lora_config; or a whole body."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="One setting, such as num_epochs=3; `tally settings` explains them.",
        autocompletion=complete_setting,
    ),
]


def build_request(
    client: Client,
    *,
    data: str | None,
    evaluate: str | None,
    name: str | None,
    preset: str | None,
    config: Path | None,
    settings: list[str] | None,
    priority: int | None = None,
    adapter: str | None = None,
    tags: list[str] | None = None,
) -> TrainRequest:
    """The body, its ZIPs uploaded. Raises CliError before anything is sent, where it can."""
    request = read_config(config) if config else {}
    if preset:
        request = lay_over(_preset(client, preset), request)
    if settings:
        apply_settings(client, request, settings)
    request.setdefault("job_name", "counting_model")
    if name:
        request["job_name"] = name
    if priority is not None:
        request["priority"] = priority
    if tags:
        request["tags"] = tags
    if not (data or request.get("data_file_id")):
        raise CliError("What is it to train on? Name it: --data FILE_ID or --data training.zip.")
    if adapter and not existing_file(adapter):
        request.update(_uploaded_or_job(client, adapter))
    if any(map(existing_file, filter(None, (data, evaluate, adapter)))):
        # An upload whose training is then refused would stay for nothing.
        _check_settings(client, request)
    if data:
        request["data_file_id"] = file_id_of(client, data)
    if evaluate:
        request["evaluation_file_id"] = file_id_of(client, evaluate)
    if adapter and existing_file(adapter):
        request["adapter_file_id"] = file_id_of(client, adapter)
    return cast(TrainRequest, request)


def _uploaded_or_job(client: Client, named: str) -> dict[str, str]:
    """An adapter by the upload that it is, or else by its job, whose id or name may be begun."""
    uploads = {file["file_id"] for file in client.files() if file.get("kind") == "adapter"}
    file_id = uploaded_id_of(client, named) if uploads else named
    if file_id in uploads:
        return {"adapter_file_id": file_id}
    return {"adapter_job_id": job_id_of(client, named)}


def read_config(path: Path) -> dict[str, Any]:
    """A JSON object as the user's document shows: training_config, lora_config."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CliError(f"{path} can't be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise CliError(f'{path} must hold an object such as {{"training_config": {{…}}}}.')
    return config


def lay_over(base: Json, over: Json) -> dict[str, Any]:
    """`over` on top of `base`, group by group."""
    both = {
        name: lay_over(base[name], over[name]) for name in base if _are_groups(base, over, name)
    }
    return {**base, **over, **both}


def apply_settings(client: Client, request: dict[str, Any], settings: list[str]) -> None:
    """Puts each "num_epochs=3" into the request, where it belongs; later ones win."""
    known = settings_of(client.openapi())
    for setting in settings:
        name, separator, text = setting.partition("=")
        if not separator or not name.strip():
            raise CliError(f"{setting!r} is not of the form num_epochs=3.")
        _put(request, full_name(name.strip(), known).split("."), _value(text))


def as_options(suggestion: Json) -> str:
    """Parts of a body as options: {"lora_config": {"r": 8}} → '--set lora_config.r=8'."""
    options = []
    for name, value in suggestion.items():
        inner = value if isinstance(value, dict) else {"": value}
        options += [
            f"--set {f'{name}.{key}'.strip('.')}={json.dumps(v)}" for key, v in inner.items()
        ]
    return " ".join(options)


def _check_settings(client: Client, request: Json) -> None:
    """Raises RequestRefused for a request that would be refused whatever its data is."""
    of_no_file = {**request, "data_file_id": _NO_FILE, "evaluation_file_id": None}
    try:
        client.preflight(cast(TrainRequest, of_no_file))
    except RequestRefused as refusal:
        if refusal.status != 404:
            raise


def _are_groups(base: Json, over: Json, name: str) -> bool:
    return isinstance(base[name], dict) and isinstance(over.get(name), dict)


def _preset(client: Client, name: str) -> Json:
    try:
        presets = client.presets()
    except RequestRefused as error:
        if error.status == 404:
            raise CliError("This gateway has no presets; use --set or --config.") from error
        raise
    if name not in presets:
        raise CliError(f"There is no preset {name}; there are {', '.join(presets)}.")
    return presets[name]


def _put(request: dict[str, Any], names: list[str], value: Any) -> None:
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
