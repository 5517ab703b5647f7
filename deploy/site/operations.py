"""Every operation of the REST API, from the OpenAPI document that the gateway serves."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from fastapi import FastAPI

from gateway.app import create_app
from gateway.settings import GatewaySettings

Json = dict[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")


@cache
def written_operations() -> str:
    # The app's own says whether a token is needed, which only one that runs knows.
    document = FastAPI.openapi(create_app(GatewaySettings(_cli_parse_args=[])))
    operations = [
        _operation(f"{method.upper()} {path}", item[method])
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    ]
    bodies = [_schema(name, one) for name, one in document["components"]["schemas"].items()]
    return "\n".join([*operations, "## Objects\n", *bodies])


def _operation(name: str, operation: Json) -> str:
    said = _plain(operation.get("description", ""))
    parts = [f"## {name}\n", f"**{operation.get('summary', '')}.** {said}\n"]
    if parameters := operation.get("parameters"):
        rows = [_parameter(one) for one in parameters]
        parts.append(_table(["parameter", "in", "type", "", "what it is"], rows))
    if body := operation.get("requestBody"):
        parts.append(f"Takes {_contents(body)}.\n")
    parts.append(_table(["status", "answer"], list(_answers(operation))))
    return "\n".join(parts)


def _parameter(parameter: Json) -> Sequence[str]:
    schema = parameter["schema"]
    said = parameter.get("description", schema.get("description", ""))
    needed = _needed(parameter.get("required"))
    return [f"`{parameter['name']}`", parameter["in"], _kind(schema), needed, _plain(said)]


def _answers(operation: Json) -> Iterator[Sequence[str]]:
    for status, answer in operation["responses"].items():
        description, content = _plain(answer.get("description", "")), _contents(answer)
        yield [status, ": ".join(filter(None, [description, content]))]


def _contents(holder: Json) -> str:
    """'`application/json` of Job, or `text/csv`'."""
    forms = []
    for form, one in holder.get("content", {}).items():
        kind = _kind(one.get("schema", {}))
        forms.append(f"`{form}` of {kind}" if kind else f"`{form}`")
    return ", or ".join(forms)


def _schema(name: str, schema: Json) -> str:
    heading = f"### {name}\n\n{_plain(schema.get('description', ''))}\n"
    if "properties" not in schema:
        return f"{heading}\n{_kind(schema)}\n"
    required = schema.get("required", [])
    rows = [
        [f"`{field}`", _kind(one), _needed(field in required), _plain(one.get("description", ""))]
        for field, one in schema["properties"].items()
    ]
    return f"{heading}\n{_table(['field', 'type', '', 'what it is'], rows)}"


def _kind(schema: Json) -> str:
    """In words: 'string', 'list of [Job](#job)', '`en` or `zh-TW`'; nothing where it is any."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(filter(None, map(_kind, schema[several])))
    if "enum" in schema or "const" in schema:
        words = schema.get("enum", [schema.get("const")])
        return " or ".join(f"`{word}`" for word in words)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {})) or 'anything'}"
    return str(schema.get("type", ""))


def _needed(required: bool | None) -> str:
    return "required" if required else ""


def _plain(text: str) -> str:
    """On one line, and of no markup."""
    return " ".join(text.split()).replace("<", "&lt;")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(map(_line, lines))


def _line(cells: Sequence[str]) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |\n"
