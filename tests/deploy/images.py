"""Dockerfiles as data, and the settings that their services read."""

import json
import re
import shlex
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockerfile_parse import DockerfileParser
from pydantic import BaseModel

from gateway.settings import GatewaySettings
from learner_service.settings import LearnerSettings
from reward_service.settings import RewardSettings
from rollout_service.settings import RolloutSettings
from tally.rpc.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SETTINGS: dict[str, type[ServiceSettings]] = {
    "gateway": GatewaySettings,
    "learner": LearnerSettings,
    "reward": RewardSettings,
    "rollout": RolloutSettings,
}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One FROM and what follows it."""

    base: str
    name: str
    instructions: tuple[tuple[str, str], ...]

    def values(self, instruction: str) -> list[str]:
        return [value for name, value in self.instructions if name == instruction]

    def copied(self, value: str) -> tuple[list[str], str]:
        """The sources of a COPY in the build's context, and its target; ARGs at their defaults."""
        *sources, target = string.Template(value).safe_substitute(self.arguments).split()
        return sources, target

    @property
    def arguments(self) -> dict[str, str]:
        return dict(value.split("=", 1) for value in self.values("ARG"))

    @property
    def environment(self) -> dict[str, str]:
        words = [word for value in self.values("ENV") for word in shlex.split(value)]
        return dict(word.split("=", 1) for word in words)

    @property
    def entrypoint(self) -> list[str]:
        (value,) = self.values("ENTRYPOINT")
        return json.loads(value)

    @property
    def health_check(self) -> list[str]:
        (value,) = self.values("HEALTHCHECK")
        return json.loads(value.partition("CMD")[2])

    @property
    def commands(self) -> list[str]:
        """What each RUN hands to the shell."""
        return [shell_command(value) for value in self.values("RUN")]


def shell_command(run: str) -> str:
    """A RUN's value without its options."""
    return re.sub(r"^(--\S+\s+)+", "", run)


def stages(service: str) -> list[Stage]:
    """The last one is the image."""
    lines = DockerfileParser(path=str(DEPLOY / f"{service}.Dockerfile")).structure
    found: list[list[Any]] = []
    for line in lines:
        if line["instruction"] == "FROM":
            found.append([line["value"]])
        elif line["instruction"] != "COMMENT":
            found[-1].append((line["instruction"], line["value"]))
    return [_stage(*lines) for lines in found]


def image(service: str) -> Stage:
    return stages(service)[-1]


def copied_paths(service: str) -> set[str]:
    """What an image takes of the installed package."""
    _, command = stages(service)[1].commands
    words = command.split()
    return set(words[words.index("--parents") + 1 : -1])


def _stage(source: str, *instructions: tuple[str, str]) -> Stage:
    base, _, name = source.partition(" AS ")
    return Stage(base=base, name=name, instructions=instructions)


def context_paths() -> list[str]:
    """What .dockerignore lets into a build."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line.removeprefix("!") for line in lines if line.startswith("!")]


def unknown_settings(service: str, environment: dict[str, str]) -> list[str]:
    """Names TALLY_… of `environment` that `service` would not read."""
    names = [name for name in environment if name.startswith("TALLY_")]
    return sorted(set(names) - set(_variables(service)))


def _variables(service: str) -> Iterator[str]:
    settings = SETTINGS[service]
    yield from _fields(settings, settings.model_config["env_prefix"])


def _fields(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = prefix + name.upper()
        yield variable
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{variable}__")


def read_settings(service: str, environment: dict[str, str], monkeypatch: Any) -> Any:
    """What the service makes of `environment`."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return SETTINGS[service].read([])
