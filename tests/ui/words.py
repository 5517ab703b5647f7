"""The page's words, from its own dictionaries."""

import json
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "zh-TW")


class Words:
    def __init__(self, language: str) -> None:
        text = (files("gateway") / "page" / "static" / f"{language}.json").read_text("utf-8")
        self._texts: dict[str, str] = json.loads(text)

    def __call__(self, key: str, **values: Any) -> str:
        return self._texts[key].format(**values) if values else self._texts[key]

    def keys(self) -> set[str]:
        """Without the plural forms, of which a language has its own."""
        return {key.removesuffix(".one").removesuffix(".other") for key in self._texts}
