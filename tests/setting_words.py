"""A setting's range and default as texts have them."""

import json
from enum import Enum
from typing import Any

from pydantic import BaseModel, TypeAdapter

Json = dict[str, Any]


def schemas_of(model: type[BaseModel]) -> dict[str, Json]:
    """The JSON schema of each field."""
    return model.model_json_schema()["properties"]


def dataclass_schemas(kind: type) -> dict[str, Json]:
    """As schemas_of, of a dataclass."""
    return TypeAdapter(kind).json_schema()["properties"]


def range_in_words(schema: Json) -> str:
    """'1 to 64', 'above 0, up to 1'; the words of a choice, and nothing where there is no range."""
    if "anyOf" in schema:
        return ", or ".join(filter(None, map(range_in_words, schema["anyOf"])))
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "maxLength" in schema:
        fewest = f"{schema['minLength']} to" if "minLength" in schema else "up to"
        return f"{fewest} {schema['maxLength']} characters"
    if "maxItems" in schema:
        return f"up to {schema['maxItems']}"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{figure(low)} to {figure(high)}"
    lowest = figure(low, "{} or more") or figure(schema.get("exclusiveMinimum"), "above {}")
    highest = figure(high, "up to {}") or figure(schema.get("exclusiveMaximum"), "below {}")
    return ", ".join(filter(None, [lowest, highest]))


def figure(value: float | None, words: str = "{}") -> str:
    """5e-5 for 5e-05, 10,000 for 10000.0; nothing for none."""
    if value is None:
        return ""
    text = f"{value:,.0f}" if value >= 1000 and value == int(value) else f"{value:.10g}"
    return words.format(text.replace("e-0", "e-"))


def default_in_words(value: Any) -> str:
    """As JSON has it, and a word without quotes."""
    if value is None:
        return "unset"
    if isinstance(value, bool | list):
        return json.dumps(value)
    if isinstance(value, int | float):
        return figure(value)
    return value.value if isinstance(value, Enum) else str(value)


def size_in_words(name: str, value: Any) -> str:
    """As default_in_words; bytes in the largest unit of which they are a whole number."""
    if name == "port":
        return str(value)
    if name.endswith("_bytes") and value:
        for unit, size in (("GiB", 1024**3), ("MiB", 1024**2)):
            if value % size == 0:
                return f"{value // size} {unit}"
    return default_in_words(value)
