"""Images built and run by buildah in a chroot, where no container engine is. Needs root."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_BUILD_SECONDS = 3600


class Buildah:
    """Images of its own, in `folder`."""

    def __init__(self, folder: Path) -> None:
        scratch = folder / "scratch"
        scratch.mkdir(parents=True)
        self._storage = [f"--root={folder / 'layers'}", f"--runroot={folder / 'run'}"]
        # RUN --mount=type=cache keeps its files there, from one image to the next.
        self.environment = os.environ | {"TMPDIR": str(scratch), "BUILDAH_ISOLATION": "chroot"}

    def __call__(self, *arguments: str) -> str:
        """What it prints; fails with its last words."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_SECONDS,
        )
        words = f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        assert done.returncode == 0, f"buildah {' '.join(arguments)}:\n{words}"
        return done.stdout.strip()

    def command(self, *arguments: str) -> list[str]:
        return ["buildah", *self._storage, *arguments]

    @contextmanager
    def changing(self, base: str, name: str, *settings: str) -> Iterator[tuple[str, Path]]:
        """Makes the image `name` of `base` and of what is done meanwhile: to a container, whose
        files lie in the folder. `settings` are those of `buildah config`."""
        container = self("from", "--pull-never", base)
        yield container, Path(self("mount", container))
        self("config", *settings, container)
        self("commit", "--quiet", "--format", "docker", container, name)
        self("rm", container)

    @contextmanager
    def files(self, image: str) -> Iterator[Path]:
        """Those of a container of the image, that is never run."""
        container = self("from", "--pull-never", image)
        yield Path(self("mount", container))
        self("rm", container)

    def build(self, dockerfile: Path, context: Path, name: str, mounts: Sequence[str]) -> None:
        """Each stage is one layer: on some machines the storage copies all files for each."""
        options = [f"--file={dockerfile}", f"--ignorefile={context / '.dockerignore'}"]
        options += [f"--tag={name}", "--pull-never", "--layers=false", "--format=docker"]
        self("build", *options, *mounts, str(context))

    def described(self, image: str) -> dict[str, Any]:
        """The image's configuration, as an engine reads it."""
        return json.loads(self("inspect", "--type=image", image))["Docker"]["config"]
