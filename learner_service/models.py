"""The base models that a job may name, and where they are loaded from."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from learner_service.errors import UnknownModel
from tally.families.family import Family, UnsupportedModel
from tally.families.registry import read_config
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
        """Raises UnknownModel for a model of no supported family.

        One whose config.json is not on this machine yet is read when it is needed.
        """
        for source in self._sources.values():
            with suppress(OSError):
                read_supported(source, offline=True)


def read_supported(source: str, *, offline: bool = False) -> tuple[Any, Family]:
    """A model's configuration and its family, by its config.json alone; raises UnknownModel."""
    try:
        return read_config(source, offline=offline)
    except UnsupportedModel as error:
        raise UnknownModel(f"base_model: {error}") from error
