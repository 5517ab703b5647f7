"""Builds an image's files in a folder, by the Dockerfile's own commands, without an engine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.images import ROOT, Stage, context_paths, image, shell_command, stages


class Built:
    """An image's files under `folder`, as if that were its root."""

    def __init__(self, service: str, folder: Path) -> None:
        self._service = service
        self._folder = folder
        self.app = folder / "app"
        self.python = folder / "opt" / "venv" / "bin" / "python"

    def build_dependencies(self) -> None:
        self._run(stages(self._service)[0])

    def build_code(self) -> None:
        self._run(stages(self._service)[1])

    def _run(self, stage: Stage) -> None:
        build = self._folder / "build"
        shutil.rmtree(build, ignore_errors=True)
        environment = _without_tally() | stage.arguments | {"PATH": _path_of_this_python()}
        folder = build
        for instruction, value in stage.instructions:
            if instruction == "WORKDIR":
                folder = Path(self._relocated(value))
            elif instruction == "COPY":
                _copy_from_context(*stage.copied(value), folder)
            elif instruction == "RUN":
                command = ["sh", "-ec", self._relocated(shell_command(value))]
                subprocess.run(command, cwd=folder, env=environment, check=True, timeout=300)

    def environment(self, **changes: str) -> dict[str, str]:
        """The image's ENV, its paths in this folder; `changes` as `docker run --env` makes them."""
        own = {k: self._relocated(v) for k, v in image(self._service).environment.items()}
        own["PATH"] = own["PATH"].replace("$PATH", os.environ["PATH"])
        return own | changes

    def command(self, words: list[str]) -> list[str]:
        assert words[0] == "python"
        return [str(self.python), *words[1:]]

    def _relocated(self, text: str) -> str:
        for path in ("/opt/venv", "/app", "/build", "/var/lib/tally"):
            text = text.replace(path, f"{self._folder}{path}")
        return text


def _copy_from_context(sources: list[str], target: str, folder: Path) -> None:
    if sources == ["."]:
        for path in context_paths():
            _copy(ROOT / path, folder / path)
    else:
        (source,) = sources
        _copy(ROOT / source, folder / target)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _without_tally() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("TALLY", "PYTHON"))}


def _path_of_this_python() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
