"""The settings of a training, as the gateway's OpenAPI document describes them."""

import difflib
import json
from dataclasses import dataclass
from typing import Any

from tally.cli.answers import Json
from tally.cli.errors import CliError

_BODY = "TrainRequest"
_BOUNDS = {
    "exclusiveMinimum": "above {}",
    "minimum": "from {}",
    "exclusiveMaximum": "below {}",
    "maximum": "up to {}",
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """`name` as in --set, with the group before it; `range` in words, empty where it is free."""

    name: str
    default: Any
    range: str
    description: str


def settings_of(openapi: Json) -> list[Setting]:
    """Every field of the body of POST /train but the job's name and its data."""
    schemas = openapi["components"]["schemas"]
    if _BODY not in schemas:
        raise CliError("This gateway does not say which settings it has; see docs/api.md.")
    body = schemas[_BODY]
    groups, own = [], []
    for name, field in body["properties"].items():
        if "$ref" in field:
            group = schemas[field["$ref"].rpartition("/")[2]]["properties"]
            groups += [_setting(f"{name}.{inner}", one) for inner, one in group.items()]
        elif name not in body["required"]:
            own.append(_setting(name, field))
    return groups + own


def full_name(name: str, settings: list[Setting]) -> str:
    """The name with its group, which may be left out; raises CliError for an unknown one."""
    names = [one.name for one in settings]
    if name in names:
        return name
    for whole in names:
        if whole.rpartition(".")[2] == name:
            return whole
    meant = _closest(name.rpartition(".")[2], names)
    hint = f"did you mean {meant}? " if meant else ""
    raise CliError(f"There is no setting {name}; {hint}`tally settings` explains them all.")


def _closest(name: str, whole_names: list[str]) -> str | None:
    """The one that is spelt alike, or whose initials these are: lr, learning_rate."""
    by_end = {whole.rpartition(".")[2]: whole for whole in whole_names}
    for end, whole in by_end.items():
        if len(name) > 1 and name == "".join(word[0] for word in end.split("_")):
            return whole
    close = difflib.get_close_matches(name, by_end, n=1, cutoff=0.5)
    return by_end[close[0]] if close else None


def describe(setting: Setting) -> str:
    """'Rank. 64; from 1, up to 512'."""
    known = "; ".join(part for part in (format_value(setting.default), setting.range) if part)
    return f"{setting.description} {known}".strip()


def format_value(value: Any) -> str:
    """A value as --set takes it; nothing for none."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _setting(name: str, field: Json) -> Setting:
    return Setting(
        name=name,
        default=field.get("default"),
        range=_range(field),
        description=field.get("description", ""),
    )


def _range(field: Json) -> str:
    if "enum" in field:
        return " | ".join(field["enum"])
    if field.get("type") == "boolean":
        return "true | false"
    return ", ".join(
        text.format(f"{field[key]:,.10g}") for key, text in _BOUNDS.items() if key in field
    )
