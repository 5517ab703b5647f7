"""The base models that a job may name, and where they are loaded from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from learner_service.errors import UnknownModel
from tally.families.family import Family, UnsupportedModel
from tally.families.registry import check_type, read_config
from tally.families.weight_files import check_weight_files
from tally.rpc.names import model_name


class ModelList:
    """Names to sources: a hub name is its own name, a folder is called by its last part."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = {model_name(source): source for source in sources}

    @property
    def default(self) -> str:
        return next(iter(self._sources))

    def source(self, name: str) -> str:
        """Raises UnknownModel that lists the names that are there."""
        if name not in self._sources:
            raise UnknownModel(f"base_model: expected one of {', '.join(self._sources)}")
        return self._sources[name]

    def check(self) -> None:
        """Raises UnknownModel for a model of no supported family, or whose weights are a pickle.

        One whose config.json is not on this machine yet is read when it is needed.
        """
        for source in self._sources.values():
            with _unknown_models():
                check_weight_files(source)
                if (fields := _read_fields(source)) is not None:
                    check_type(fields)


def read_supported(source: str) -> tuple[Any, Family]:
    """A model's configuration and its family, by its config.json alone; raises UnknownModel."""
    with _unknown_models():
        return read_config(source)


@contextmanager
def _unknown_models() -> Iterator[None]:
    try:
        yield
    except UnsupportedModel as error:
        raise UnknownModel(f"base_model: {error}") from error


def _read_fields(source: str) -> Mapping[str, Any] | None:
    """Of the config.json on this machine, without transformers, which would bring torch."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - slow to import

    with suppress(OSError, ValueError):
        if Path(source).is_dir():
            path: Any = Path(source, "config.json")
        else:
            path = try_to_load_from_cache(source, "config.json")
        if isinstance(path, str | Path):
            fields: Mapping[str, Any] = json.loads(Path(path).read_text())
            return fields
    return None
