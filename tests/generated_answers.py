"""Types of what the gateway takes and answers, for the client, from its OpenAPI document.

An answer has every field; what a request may leave out is NotRequired.
"""

import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from ruff import find_ruff_bin

from gateway.app import create_app
from gateway.settings import GatewaySettings

Schema = Mapping[str, Any]
_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
_HEAD = '''"""What the gateway takes and answers; generated, `make docs` writes it anew.

Answers are dictionaries: a later gateway may say more in them.
"""

from typing import Any, Literal, NotRequired, TypedDict

'''
_WIDTH = 92


def answers_module() -> str:
    """The text of tally/client/answers.py."""
    document = FastAPI.openapi(create_app(GatewaySettings(_cli_parse_args=[])))
    schemas = document["components"]["schemas"]
    asked = set(_names_in_requests(document, schemas))
    objects = {name: one for name, one in sorted(schemas.items()) if "properties" in one}
    classes = [_class(name, one, partial=name in asked) for name, one in objects.items()]
    named = [
        f"{name} = {_type(one)}" for name, one in sorted(schemas.items()) if name not in objects
    ]
    text = _HEAD + "\n".join([*named, *classes])
    return subprocess.run(
        [find_ruff_bin(), "format", "--stdin-filename", "answers.py", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _names_in_requests(document: Schema, schemas: Schema) -> Iterator[str]:
    """Schemas of JSON bodies, and those within them."""
    waiting = [
        operation["requestBody"]
        for methods in document["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    ]
    seen: set[str] = set()
    while waiting:
        for name in _references(waiting.pop()):
            if name not in seen:
                seen.add(name)
                waiting.append(schemas[name])
                yield name


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].rpartition("/")[2]
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from _references(inner)


def _class(name: str, schema: Schema, *, partial: bool) -> str:
    required = set(schema.get("required", ()))
    lines = [f"class {name}(TypedDict):"]
    if "description" in schema:
        lines += _docstring(schema["description"])
    for field, one in schema["properties"].items():
        stated = _type(one)
        left_out = partial and field not in required
        lines.append(f"    {field}: {f'NotRequired[{stated}]' if left_out else stated}")
        lines += _docstring(one["description"]) if "description" in one else []
    return "\n".join([*lines, "", ""])


def _docstring(text: str) -> list[str]:
    wrapped = textwrap.wrap(f'"""{" ".join(text.split())}"""', _WIDTH)
    return [f"    {line}" for line in wrapped]


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return f'"{next(_references(schema))}"'
    if literals := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return f"Literal[{', '.join(map(repr, literals))}]"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return _union(choices)
    if schema.get("type") == "array":
        return f"list[{_union(schema.get('prefixItems') or [schema.get('items', {})])}]"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {_type(values) if isinstance(values, dict) else 'Any'}]"
    return _TYPES.get(str(schema.get("type")), "Any")


def _union(schemas: list[Schema]) -> str:
    types = list(dict.fromkeys(map(_type, schemas)))
    if any(one.startswith('"') for one in types) and len(types) > 1:
        return f'"{" | ".join(one.strip(chr(34)) for one in types)}"'
    return " | ".join(types)
