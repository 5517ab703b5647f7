"""The base models that a job may name, and where they are loaded from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learner_service.errors import UnknownModel
from tally.families.family import Family, UnsupportedModel
from tally.families.licences import Licence
from tally.families.registry import FAMILIES, check_type, read_config
from tally.families.weight_files import check_weight_files, count_parameters
from tally.rpc.names import model_name


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """What is known of a base model without loading it; None for what is not."""

    name: str
    family: str | None
    licence: Licence | None
    parameters: int | None


class ModelList:
    """Names to sources: a hub name is its own name, a folder is called by its last part."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = {model_name(source): source for source in sources}

    @property
    def names(self) -> list[str]:
        """The default first."""
        return list(self._sources)

    @property
    def default(self) -> str:
        return next(iter(self._sources))

    def source(self, name: str) -> str:
        """Raises UnknownModel that lists the names that are there."""
        if name not in self._sources:
            raise UnknownModel(f"base_model: expected one of {', '.join(self._sources)}")
        return self._sources[name]

    def describe(self) -> list[BaseModel]:
        """Each of them, as far as its files are on this machine and its name is known."""
        return [_describe(name, source) for name, source in self._sources.items()]

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


def _describe(name: str, source: str) -> BaseModel:
    folder, fields = _local_folder(source), _read_fields(source) or {}
    named = (family for family in FAMILIES.values() if family.licence(name))
    family = FAMILIES.get(fields.get("model_type", "")) or next(named, None)
    parameters = None
    with suppress(OSError, ValueError, KeyError):  # half a download
        parameters = count_parameters(folder) if folder else None
    return BaseModel(
        name=name,
        family=family.model_type if family else None,
        licence=family.licence(name) if family else None,
        parameters=parameters,
    )


def _read_fields(source: str) -> Mapping[str, Any] | None:
    """Of the config.json on this machine, without transformers, which would bring torch."""
    with suppress(OSError, ValueError):
        if folder := _local_folder(source):
            fields: Mapping[str, Any] = json.loads((folder / "config.json").read_text())
            return fields
    return None


def _local_folder(source: str) -> Path | None:
    """Where the model's files are on this machine; None where they are not."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - slow to import

    if Path(source).is_dir():
        return Path(source)
    with suppress(OSError, ValueError):
        path = try_to_load_from_cache(source, "config.json")
        return Path(path).parent if isinstance(path, str) else None
    return None
